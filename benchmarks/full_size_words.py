"""Words and sentences of the full-size root: invented groups of everyday verbs and nouns, drawn by Zipf's law."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

# Groups separated by blanks, words of a group by "/", "_" for a blank inside a form; commoner groups first.
_VERBS = """
take/pick/grab/pick_up put/place/drop/put_down hold/support move/shift turn/rotate open/uncover cut/slice/chop
wash/rinse/clean wipe/dry pour/empty close/shut lift/raise adjust/align/arrange remove/detach push/press pull/drag
touch/feel stir/mix walk/step look/watch/stare throw/toss fold/crease shake/jiggle apply/spread/smear roll/unroll
tie/knot carry/transport attach/fix/fasten peel/skin scrape/scratch cover/wrap insert/plug_in hit/hammer/strike
tighten/screw loosen/unscrew dip/soak/immerse scoop/ladle sew/stitch paint/color/coat write/draw/sketch read/scan
play/strum dig/excavate hang/suspend give/pass/hand sharpen/grind measure/weigh sand/smooth/polish drill/bore
fry/cook/roast boil/simmer eat/bite/chew drink/sip kick/tread climb/ascend swing/sway spray/sprinkle mould/shape/knead
plant/sow prune/trim/clip weed/uproot harvest/pluck sweep/brush mop/swab iron/press_out zip/button unzip/unbutton
stretch/extend bend/flex squeeze/wring flip/overturn stack/pile sort/separate count/tally point/gesture wave/signal
tap/knock scrub/scour tear/rip break/crack/snap split/divide crush/mash/pound grate/shred sieve/strain/filter fill/load
unload/unpack pack/package lock/bolt unlock/unbolt switch/toggle charge/power type/key_in click/double-click
swipe/scroll drive/steer park/reverse ride/pedal pump/inflate weld/solder glue/paste saw/hack file/rasp nail/pin
pinch/nip rub/massage blow/puff catch/intercept bounce/dribble kneel/crouch sit/squat stand/rise inspect/check/examine
"""
_NOUNS = """
hand/palm table/desk knife/blade cup/mug plate/dish bowl/basin cloth/towel/rag bottle/flask pot/saucepan pan/skillet
spoon/teaspoon fork box/carton bag/sack phone/smartphone paper/sheet wood/plank/timber water tap/faucet sink door/gate
drawer cabinet/cupboard fridge/refrigerator oven/stove lid/cover container/tin food/meal dough/batter onion tomato
potato carrot garlic pepper egg meat/beef chicken/poultry fish/salmon rice noodle/pasta bread/loaf butter cheese milk
oil sugar salt flour/powder sauce/ketchup soup/stew fruit apple banana orange lemon grape melon leaf/foliage
plant/shrub flower/blossom tree/trunk branch/twig stem/stalk grass/lawn soil/earth sand/gravel stone/rock/pebble
brick/block cement/mortar wall floor/ground ceiling roof window/pane curtain/blind carpet/rug mat chair/stool bench
sofa/couch bed/mattress pillow/cushion blanket/duvet sheet_metal shelf/rack hook/hanger basket/hamper bucket/pail
broom/sweeper mop brush/paintbrush sponge/scourer soap/detergent glove/mitten hat/cap shirt/blouse trousers/pants
sock/stocking shoe/boot belt/strap jacket/coat dress/gown scarf/shawl thread/yarn needle/bodkin button/clasp zipper
scissors/shears tape/ribbon glue/adhesive rope/cord/string wire/cable chain/shackle nail/tack screw/bolt nut washer
hammer/mallet screwdriver spanner/wrench pliers/pincers saw/handsaw drill/driller chisel/gouge file/rasp plane
sandpaper ruler/yardstick level pencil/crayon pen/marker book/novel notebook/notepad card/cards dice/die board/panel
game/puzzle toy/doll ball/football bat/racket guitar/ukulele piano/keyboard drum laptop/computer mouse screen/monitor
camera/webcam remote/controller charger/adapter battery/cell bulb/lamp torch/flashlight switch/knob fan/blower iron
machine/engine wheel/tyre car/vehicle bicycle/bike motorcycle/scooter pedal/crank brake/lever seat/saddle
pump/compressor hose/pipe valve/nozzle tank/cistern ladder/stepladder wheelbarrow/trolley shovel/spade hoe/rake
sickle/machete axe/hatchet pruner/secateurs pottery/clay mould/cast canvas/easel paint/varnish palette picture/photo
frame/border mirror/glass clock/watch key/padlock wallet/purse coin/money receipt/bill envelope/parcel
newspaper/magazine tissue/napkin foil/wrapper straw/skewer tray/platter jug/pitcher kettle/teapot blender/mixer toaster
grill/barbecue peeler/grater sieve/colander rolling_pin chopping_board measuring_cup baking_tray ladle/scoop
spatula/turner whisk/beater tongs/tweezers jar/canister sachet/packet dustbin/trashcan dustpan vacuum_cleaner
washing_machine clothesline/clothespin dog/puppy cat/kitten goat/sheep cow/cattle horse/pony hen/rooster nest/cage
person/man/woman child/baby hair/wig face/cheek leg/thigh arm/elbow foot/heel finger/thumb head/forehead neck/shoulder
bolt_cutter spirit_level tape_measure
"""
_FOLLOW = (("from", "on", "in", "into", "onto", "with", "under", "near"), ("left", "right", "both"))
_LOOKS = ("", "", "", "", "small ", "big ", "red ", "white ", "wet ", "wooden ", "plastic ", "metal ", "old ", "other ")


def _groups(words: str) -> dict[str, tuple[str, ...]]:
    groups = [tuple(form.replace("_", " ") for form in group.split("/")) for group in words.split()]
    return {group[0].replace(" ", "_"): group for group in groups}


VERBS: Mapping[str, tuple[str, ...]] = _groups(_VERBS)
"""Verb classes: label -> forms."""
NOUNS: Mapping[str, tuple[str, ...]] = _groups(_NOUNS)
"""Noun classes: label -> forms."""


def third_person(verb: str) -> str:
    """Inflect a verb as narrations have it: "pick up" -> "picks up"."""
    head, _, rest = verb.partition(" ")
    if head.endswith(("sh", "ch", "x", "ss", "zz", "o")):
        head += "es"
    elif head.endswith("y") and head[-2] not in "aeiou":
        head = head[:-1] + "ies"
    else:
        head += "s"
    return f"{head} {rest}".strip()


def _drawer(groups: Mapping[str, tuple[str, ...]], inflect: Callable[[str], str] = str) -> tuple[list[str], np.ndarray]:
    """Return all forms and their cumulative shares: Zipf over the groups, and again inside each."""
    forms, weights = [], []
    for rank, group in enumerate(groups.values(), 1):
        for place, form in enumerate(group, 1):
            forms.append(inflect(form))
            weights.append(1 / (rank * place))
    return forms, np.cumsum(weights) / np.sum(weights)


_VERB_FORMS, _VERB_SHARES = _drawer(VERBS, third_person)
_NOUN_FORMS, _NOUN_SHARES = _drawer(NOUNS)


def draw_texts(rng: np.random.Generator, count: int, detailed: float = 0.44) -> list[str]:
    """Draw narrations; the share `detailed` is of long ones, which rarely repeat: about half of 4 M are distinct.

    Two in a hundred end in #unsure and one has two words, one in eight is of another person.
    """
    verb = np.searchsorted(_VERB_SHARES, rng.random(count)).tolist()
    noun, second = np.searchsorted(_NOUN_SHARES, rng.random((2, count))).tolist()
    article, kind = rng.integers(0, 3, count).tolist(), rng.random((3, count))
    follow, side, look, tail = (rng.integers(0, n, count).tolist() for n in (len(_FOLLOW[0]), 3, len(_LOOKS), 5))
    texts = []
    for i, (chance, who, odd) in enumerate(zip(*kind.tolist(), strict=True)):
        subject = "#C C" if who > 0.125 else ("#O man X", "#O a woman Y", "#O person A")[side[i]]
        text = f"{subject} {_VERB_FORMS[verb[i]]}"
        if odd < 0.01:
            texts.append(f"{text}")
            continue
        what = ("the ", "a ", "")[article[i]]
        if chance < detailed:
            text += (
                f" {what}{_LOOKS[look[i]]}{_NOUN_FORMS[noun[i]]} {_FOLLOW[0][follow[i]]} the {_NOUN_FORMS[second[i]]}"
            )
            text += ("", "", "", f" with {_FOLLOW[1][side[i]]} hand", ".")[tail[i]]
        else:
            text += f" {what}{_NOUN_FORMS[noun[i]]}"
        texts.append(text if odd < 0.98 else f"{text} #unsure")
    return texts
