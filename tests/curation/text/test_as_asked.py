from egocurate.curation.text.as_narrated import as_asked


def test_a_model_of_raw_texts_is_asked_with_a_mark():
    assert as_asked("Open the fridge.", "raw") == "#C C opens the fridge"
    assert as_asked("#C C  opens the fridge.", "raw") == "#C C opens the fridge."
    assert as_asked("#O A opens the fridge", "raw") == "#O A opens the fridge"
    assert as_asked("#O A opens the fridge", "normalized") == as_asked("open the fridge", "normalized")
    assert as_asked("#C", "raw") == as_asked("", "raw") == ""
