"""The losses written out in float64, one pair at a time, and random batches for them."""

import torch

RULES = ["and", "or", "noun", "verb"]


def shared(a, b):
    """Whether two rows' classes are shared: True, False, or None where one of them has none."""
    return None if not a or not b else bool(a & b)


def rule_holds(verb, noun, positives):
    """Three-valued logic, written out."""
    if positives == "verb":
        return verb
    if positives == "noun":
        return noun
    both = [verb, noun]
    if positives == "and":
        return False if False in both else (None if None in both else True)
    return True if True in both else (None if None in both else False)


def class_sets(tags):
    return [set(torch.nonzero(row).flatten().tolist()) for row in tags]


def random_batch(seed, m=10, width=7):
    generator = torch.Generator().manual_seed(seed)
    text, video = (torch.randn(m, width, generator=generator, dtype=torch.float64) for _ in range(2))
    verbs, nouns = (torch.rand(m, 5, generator=generator) < 0.25 for _ in range(2))
    valid = torch.rand(m, generator=generator) < 0.8
    valid[0] = True
    return text, video, verbs, nouns, valid


def value_and_gradients(function, text, video):
    text, video = text.clone().requires_grad_(), video.clone().requires_grad_()
    loss = function(text, video)
    loss.backward()
    return loss.item(), text.grad, video.grad


def loop_cosines(text, video):
    return [[a @ b / (a.norm() * b.norm()) for b in video] for a in text]


def loop_egonce(text, video, verbs, nouns, valid, temperature, positives, undecided):
    """The formula, one pair at a time."""
    m = len(text)
    unit = lambda x: x / x.norm(dim=1, keepdim=True)  # noqa: E731
    scores = unit(text) @ unit(video).T / temperature
    verbs, nouns = class_sets(verbs), class_sets(nouns)
    total = text.new_zeros(())
    rows = [i for i in range(m) if valid[i]]
    for direction in (scores, scores.T):
        for i in rows:
            above, below = [], []
            for j in rows:
                holds = i == j or rule_holds(shared(verbs[i], verbs[j]), shared(nouns[i], nouns[j]), positives)
                if holds is None and undecided == "negative":
                    holds = False
                if holds is not None:
                    below.append(direction[i, j].exp())
                if holds:
                    above.append(direction[i, j].exp())
            total = total - torch.log(sum(above) / sum(below)) / len(rows)
    return total


def loop_info_nce(text, video, valid):
    tags = torch.zeros(len(text), 1, dtype=torch.bool)
    return loop_egonce(text, video, tags, tags, valid, 0.1, "and", "negative")


def loop_egonce_plus(text, video, altered, nouns, valid):
    scores, nouns, m = loop_cosines(text, video), class_sets(nouns), len(text)
    rows = [i for i in range(m) if valid[i]]
    loss = 0
    for i in rows:
        holds = {j: True if i == j else shared(nouns[i], nouns[j]) for j in rows}
        below = sum((scores[i][j] / 0.1).exp() for j in rows if holds[j] is not None)
        above = sum((scores[i][j] / 0.1).exp() for j in rows if holds[j])
        texts = sum((scores[j][i] / 0.1).exp() for j in rows)
        hard = sum((a @ video[i] / (a.norm() * video[i].norm()) / 0.1).exp() for a in altered[i])
        loss = loss - torch.log(above / below) - torch.log((scores[i][i] / 0.1).exp() / (texts + hard))
    return loss / len(rows)


def loop_sigmoid(text, video, verbs, nouns, valid):
    scores, verbs, nouns = loop_cosines(text, video), class_sets(verbs), class_sets(nouns)
    rows, loss = [i for i in range(len(text)) if valid[i]], 0
    for i in rows:
        for j in rows:
            holds = i == j or rule_holds(shared(verbs[i], verbs[j]), shared(nouns[i], nouns[j]), "and")
            if holds is not None:
                sign = 1 if holds else -1
                loss = loss + torch.log1p(torch.exp(-sign * (10 * scores[i][j] - 4)))
    return loss / len(rows)


def loop_max_margin(text, video, relevance):
    scores, m, loss = loop_cosines(text, video), len(text), 0
    for i in range(m):
        for j in range(m):
            if i != j:
                for other in (scores[i][j], scores[j][i]):
                    loss = loss + torch.relu(0.3 * relevance[i] - scores[i][i] + other)
    return loss / (2 * m * (m - 1))
