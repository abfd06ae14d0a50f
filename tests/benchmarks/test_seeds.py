from benchmarks.seeds import of_each_seed, spread


def test_every_row_is_run_with_a_seed_before_the_next_seed():
    order = []

    def run(row, seed):
        order.append((row, seed))
        return f"{row}{seed}"

    assert of_each_seed("ab", 2, run) == {"a": ["a0", "a1"], "b": ["b0", "b1"]}
    assert order == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


def test_one_seed_has_no_spread():
    assert spread([1.0, 3.0]) == 1.41
    assert spread([1.0]) == "one seed"
