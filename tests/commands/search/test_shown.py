"""What was found, to look at: a sheet, a page that stands alone, and a search box of this machine alone."""

import http.client
import io
import re
import threading
from urllib.parse import quote, urlsplit

import av
import numpy as np
import pytest
from PIL import Image

from egocurate.commands.search.page import write_page
from egocurate.commands.search.server import Found, SearchServer
from egocurate.commands.search.sheet import Answer, write_sheet
from egocurate.commands.search.stretch import MOST_SEC, clock, show_stretches
from egocurate.errors import InputError
from egocurate.training.search.search_index import Hit
from tests.chromium import needs_chromium, tab
from tests.training.tasks.test_features import FPS, write_video

EVIL = "<script>document.title = 'owned'</script>\"'><img src=x onerror=\"document.title = 'owned'\">"


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "kitchen.mp4"
    write_video(path, 0, 30 * FPS)
    return path


@pytest.fixture(scope="module")
def hits(video):
    places = ((2.0, 4.0, 0.9), (10.0, 11.0, 0.5))
    return [Hit("kitchen", str(video), start, end, score) for start, end, score in places]


@pytest.fixture(scope="module")
def gone(tmp_path_factory):
    return Hit(EVIL, str(tmp_path_factory.mktemp("gone") / "gone.mp4"), 0.0, 1.0, 0.1)


@pytest.fixture
def server(hits, gone):
    asked = []

    def find(text):
        asked.append(text)
        return Found(text.lower(), [*hits, gone])

    server = SearchServer(find, "2 videos.")
    server.asked = asked
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def get(server, path, **headers):
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def test_a_stretch_lasts_as_long_as_its_hit_and_a_long_one_is_cut_short(video, hits, gone):
    long = Hit("kitchen", str(video), 0.0, 30.0, 0.2)
    shown = show_stretches([*hits, long, gone])
    for hit, seconds in ((hits[0], 2.0), (hits[1], 1.0), (long, MOST_SEC)):
        with av.open(io.BytesIO(shown[hit].mp4)) as stretch:
            assert stretch.duration / av.time_base == pytest.approx(seconds, abs=1 / FPS)
        assert Image.open(io.BytesIO(shown[hit].strip)).size[0] > 300
    assert shown[gone].missing == "video not on disk" and not shown[gone].mp4


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.0"), (7.46, "0:07.5"), (59.96, "1:00.0"), (3727.5, "1:02:07.5")]
)
def test_times_are_as_a_player_has_them(seconds, text):
    assert clock(seconds) == text


def test_a_sheet_shows_frames_of_every_hit(hits, gone, tmp_path):
    answers = [Answer("opens the fridge", hits), Answer("ü <b>", [gone])]
    write_sheet(tmp_path / "sheet.png", answers, show_stretches([*hits, gone]))
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB"))
    paper = (sheet == sheet[0, 0]).all(2)
    assert sheet.shape[1] > 1200 and sheet.shape[0] > 300
    assert not paper[60:140, 40:560].all() and (~paper[60:140, 700:1200]).mean() > 0.9  # two strips beside each other


def test_the_page_stands_alone_and_lets_no_text_become_markup(hits, gone, tmp_path):
    write_page(tmp_path / "page.html", [Answer(EVIL, [*hits, gone])], show_stretches([*hits, gone]), "2 videos.")
    page = (tmp_path / "page.html").read_text()
    assert "://" not in page and not re.search(r'(src|href)="(?!data:)', page)
    assert page.count("<script") == 1 and "<img src=x" not in page
    assert page.count("data:video/mp4;base64,") == 2 and page.count("data:image/jpeg;base64,") == 2
    assert "video not on disk" in page and "0:02.0 to 0:04.0" in page


@pytest.mark.slow
@needs_chromium
def test_the_stretches_of_a_page_play_under_the_pointer(hits, gone, tmp_path):
    path = tmp_path / "page.html"
    write_page(path, [Answer(EVIL, [*hits, gone])], show_stretches([*hits, gone]), "2 videos.")
    with tab() as page:
        page.open(path.as_uri())
        page.wait("[...document.querySelectorAll('video')].every(video => video.readyState >= 2)")
        assert page.value("document.querySelectorAll('video').length") == 2
        assert page.value("[...document.images].every(image => image.naturalWidth > 300)")
        page.point_at("video")
        page.wait("!document.querySelector('video').paused && document.querySelector('video').currentTime > 0")
        assert page.value("document.title").startswith("EgoCurate")
        assert not page.faults


def test_the_server_answers_a_text_with_stretches(server, hits):
    path = urlsplit(server.url).path
    status, headers, page = get(server, f"{path}?q={quote(EVIL)}")
    assert status == 200 and server.asked == [" ".join(EVIL.split())]
    assert headers["Content-Type"].startswith("text/html") and "<script>document" not in page.decode()
    video, strip = (re.search(rf'src="({name}\?hit=\w+)"', page.decode())[1] for name in ("video", "strip"))
    status, headers, content = get(server, path + video)
    assert (status, headers["Content-Type"]) == (200, "video/mp4") and content[4:8] == b"ftyp"
    for asked, part in (("bytes=4-7", content[4:8]), ("bytes=9-", content[9:]), ("bytes=9-4", content)):
        assert get(server, path + video, Range=asked)[2] == part
    status, headers, content = get(server, path + strip)
    assert (status, headers["Content-Type"]) == (200, "image/jpeg") and content[:2] == b"\xff\xd8"


def test_the_server_shows_what_it_has_found_and_nothing_else(server):
    path = urlsplit(server.url).path
    for wrong in ("/", "/token/", path[:-2] + "/", f"{path}video?hit=etc", f"{path}etc/passwd", f"{path}../", "//x/[/"):
        assert get(server, wrong)[0] in (400, 404), wrong
    assert not server.asked


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "[::1", ""])
def test_another_name_of_the_host_is_refused(server, host):
    assert get(server, urlsplit(server.url).path, Host=host)[0] in (400, 421)


def test_the_server_listens_on_this_machine_alone_and_takes_no_port_twice(server):
    assert server.server_address[0] == "127.0.0.1"
    assert get(server, urlsplit(server.url).path, Host="localhost:9999")[0] == 200  # as ssh forwards it
    with pytest.raises(InputError, match=f"--port {server.server_port}"):
        SearchServer(None, "", server.server_port)


@needs_chromium
def test_a_person_types_into_the_search_box_and_sees_videos(server):
    with tab() as page:
        page.open(server.url)
        page.value("document.querySelector('input').focus()")
        page.type("Opens the fridge")
        page.wait("document.querySelectorAll('video').length == 2 && document.readyState == 'complete'")
        page.wait("[...document.querySelectorAll('video')].every(video => video.readyState >= 2)")
        page.wait("[...document.querySelectorAll('video')].every(video => video.currentTime == video.duration / 2)")
        assert server.asked == ["Opens the fridge"]
        assert "opens the fridge" in page.value("document.querySelector('p').textContent")
        assert page.value("document.querySelector('input').value") == "Opens the fridge"
        assert not page.faults
