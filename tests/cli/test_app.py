"""The command line as a person uses it: in a process of its own, judged by what it prints and leaves behind."""

import json
import os
import re
import resource
import signal
import sqlite3
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from PIL import Image

from penchant.core.rng import Rng
from penchant.data import draw_pictures
from penchant.store import StudyLock

VOTER = """
def red(left, right):
    means = [sum(image.convert("RGB").getdata(0)) for image in (left, right)]
    return "left" if means[0] > means[1] else "right"

def broken(left, right):
    raise RuntimeError("no")

def wrong(left, right):
    return "up"
"""


def penchant(*arguments: str, cwd: Path, timeout: float = 200) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "penchant", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout)


@pytest.fixture
def workplace(tmp_path: Path, trained_folder: Path) -> Path:
    copytree(trained_folder, tmp_path / "study")
    (tmp_path / "taste.py").write_text(VOTER)
    return tmp_path


def failed(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr + done.stdout
    return re.sub(r"\s+", " ", done.stderr)


def test_learn_tells_what_the_votes_say_of_the_new_features(workplace: Path):
    assert "no votes yet; `penchant vote" in failed(penchant("learn", "study", cwd=workplace))
    assert penchant("vote", "study", "--voter", "warm", "--votes", "6", cwd=workplace).returncode == 0
    done = penchant("learn", "study", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert re.search(r"features 1 are learned: the votes (do not )?speak for", done.stdout)
    assert penchant("doctor", "study", cwd=workplace).returncode == 0
    next((workplace / "study" / "learned").rglob("*.npy")).write_bytes(b"broken")
    done = penchant("doctor", "study", cwd=workplace)
    assert done.returncode == 1
    assert "learned/1 are not what was stored" in done.stdout


def test_any_two_sets_of_images_are_compared(workplace: Path):
    assert penchant("sample", "study", "--count", "30", "--out", "made", cwd=workplace).returncode == 0
    options = [
        "--extractor",
        "random_convolutions(seed=1)",
        "--json",
        "out/a.json",
        "--html",
        "out/a.html",
        "--no-pixels",
    ]
    done = penchant("evaluate", "made", "study@base", *options, cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert "Fréchet distance is FD[random_convolutions]@30" in done.stdout
    figures = json.loads((workplace / "out" / "a.json").read_text())["figures"]
    assert figures["coverage"]["low"] <= figures["coverage"]["value"] <= figures["coverage"]["high"]
    assert figures["memorisation"]["n"] == 30
    assert "Copied?" in (workplace / "out" / "a.html").read_text()
    assert "penchant report study" in failed(penchant("evaluate", "study", "--html", "x.html", cwd=workplace))


def test_steps_one_by_one(workplace: Path):
    done = penchant("vote", "study", "--voter", "taste:red", "--votes", "12", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert "12 votes in all" in done.stdout
    assert penchant("align", "study", "--like-best-of", "4", cwd=workplace).returncode == 0
    for version, folder in (("base", "a"), ("1", "b"), ("latest", "c")):
        options = ["--version", version, "--count", "3", "--seed", "5", "--out", folder]
        assert penchant("sample", "study", *options, cwd=workplace).returncode == 0
    first = [Path(workplace / folder / "0001.png").read_bytes() for folder in "abc"]
    assert first[0] == first[1]
    assert first[0] != first[2]
    assert sorted(path.name for path in (workplace / "c").iterdir()) == ["0000.png", "0001.png", "0002.png"]
    done = penchant("compare", "study", "latest", "base", "--voter", "taste:red", "--votes", "8", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert re.search(r"version 2 won \d+% of 8 decisive votes|Version 2 is preferred", done.stdout)
    done = penchant("leaderboard", "study", "--json", "board.json", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert "8 answers of 1 voter, " in done.stdout
    assert json.loads((workplace / "board.json").read_text())["votes"] == 8
    done = penchant("evaluate", "study", "--json", "figures.json", cwd=workplace)
    assert done.returncode == 0, done.stderr
    figures = json.loads((workplace / "figures.json").read_text())
    assert figures["votes"] == 12
    assert figures["win_rate_judge"] == "the voter"
    assert figures["win_rate_interval"][0] <= figures["win_rate"] <= figures["win_rate_interval"][1]
    done = penchant("report", "study", cwd=workplace)
    assert done.returncode == 0, done.stderr
    page = (workplace / "study" / "reports" / "round-2.html").read_text()
    assert "<h1>After 12 votes" in page
    assert not re.search(r"(src|href)=\"https?:", page)
    assert penchant("doctor", "study", cwd=workplace).returncode == 0


@pytest.mark.parametrize("name", ["csv", "jsonl", "pick-a-pic"])
def test_export_writes_every_vote(workplace: Path, name: str):
    assert penchant("vote", "study", "--voter", "calm", "--votes", "5", cwd=workplace).returncode == 0
    done = penchant("export", "study", "--format", name, "--out", f"votes.{name}", cwd=workplace)
    assert done.returncode == 0, done.stderr
    lines = (workplace / f"votes.{name}").read_text().splitlines()
    assert len(lines) == 5 + (name == "csv")


@pytest.mark.slow
def test_run_goes_all_the_way_on_a_folder_with_broken_files(tmp_path: Path):
    folder = tmp_path / "images" / "deep"
    folder.mkdir(parents=True)
    for index, pixels in enumerate(draw_pictures(150, 48, Rng(1)).images):
        Image.fromarray(np.moveaxis(pixels, 0, -1)).save(folder / f"{index}.png")
    (folder / "letter.png").write_text("dear")
    (folder / "cut.jpg").write_bytes((folder / "1.png").read_bytes()[:300])
    (tmp_path / "taste.py").write_text(VOTER)
    command = "run images --study s --size 28 --voter taste:red --votes 12 --train-seconds 5 --like-best-of 8 --seed 3"
    command += " --pool 200 --aligner latent_tilt(steps=20,rounds=0)"
    done = penchant(*command.split(), "--json", "out/figures.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "letter.png" in done.stdout
    figures = json.loads((tmp_path / "out" / "figures.json").read_text())
    wanted = (
        "votes audit_accuracy accuracy_vs_hidden_taste win_rate win_rate_interval kl_nats kl_estimator vendi_base "
        "vendi_aligned coverage_base coverage_aligned kid_base kid_aligned kid_floor seconds"
    )
    assert set(wanted.split()) <= figures.keys()
    assert figures["votes"] == 12
    assert {"train", "votes", "align", "evaluate", "total"} <= figures["seconds"].keys()
    again = penchant(*command.split(), cwd=tmp_path)
    assert again.returncode == 0
    assert "12" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        ("run nowhere --study s --voter warm", 1, "nowhere"),
        ("run empty --study s --voter warm", 1, "empty"),
        ("run text --study s --voter warm", 1, "letter.png"),
        ("run huge --study s --voter warm", 1, "megapixels"),
        ("run pictures --study s --voter wram", 2, "Did you mean 'warm'"),
        ("run pictures --study s --voter warm --size 33", 2, "28, 32, 48, 64, 128"),
        ("run pictures --study s --voter warm --strategy eub0", 2, "Did you mean 'eubo'"),
        ("run pictures --study study --voter warm --seed 9", 1, "another seed"),
        ("vote study --voter taste:nobody --votes 2", 1, "nobody"),
        ("vote study --voter taste:broken --votes 2", 1, "RuntimeError|no"),
        ("vote study --voter taste:wrong --votes 2", 1, "left"),
        ("align study", 1, "no votes yet"),
        ("sample study --version 9 --out o", 2, "no version named '9'"),
        ("sample study --out taste.py", 2, "not a folder"),
        ("export study --format xml --out o", 2, "xml"),
        ("train study", 1, "has its generator already"),
        ("evaluate nowhere", 1, "no study"),
        ("bench latnecy", 2, "Did you mean 'latency'"),
        ("bench latency --pools 100,many", 2, "must be whole numbers, such as 10000,1000000; found '100,many'"),
        ("bench latency --pools 100,2", 2, "at least 3 candidates; found 100, 2"),
        ("bench taste --pools 100", 2, "is for the benchmark latency; found taste"),
        ("doctor nowhere", 1, "no study"),
    ],
)
def test_bad_input_is_told_clearly(workplace: Path, arguments: str, status: int, text: str):
    for name in ("empty", "text", "huge"):
        (workplace / name).mkdir()
    (workplace / "text" / "letter.png").write_text("dear")
    (workplace / "huge" / "huge.png").write_bytes(_png_header(30_000, 30_000))
    done = penchant(*arguments.split(), cwd=workplace)
    assert re.search(text, failed(done)), done.stderr
    assert done.returncode == status


def test_a_wrong_benchmark_leaves_the_figures_of_another_alone(tmp_path: Path):
    (tmp_path / "figures.jsonl").write_text("{}\n")
    assert "latency" in failed(penchant("bench", "latnecy", "--json", "figures.jsonl", cwd=tmp_path))
    assert (tmp_path / "figures.jsonl").read_text() == "{}\n"


def test_a_study_of_a_newer_version_is_left_alone(workplace: Path):
    with sqlite3.connect(workplace / "study" / "penchant.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "newer" in failed(penchant("vote", "study", "--voter", "warm", cwd=workplace))


def test_a_second_process_on_the_same_study_is_told_who_has_it(workplace: Path):
    with StudyLock(workplace / "study"):
        text = failed(penchant("vote", "study", "--voter", "warm", cwd=workplace))
    assert f"process {os.getpid()}" in text


@pytest.mark.slow
def test_ctrl_c_in_every_stage_loses_nothing(tmp_path: Path):
    """The same command, interrupted whenever it enters a new stage, and started again until it comes to its end."""
    options = "run pictures:300 --study s --voter warm --votes 25 --train-seconds 4 --like-best-of 4 --pool 200"
    command = [sys.executable, "-m", "penchant", *options.split(), "--aligner", "latent_tilt(steps=60, rounds=0)"]
    stages = ["images", "autoencoder", "flow", "candidates", "voting", "aligning", "evaluating", "report"]
    stopped: list[str] = []
    votes = 0
    for stage in stages:
        with subprocess.Popen(command, cwd=tmp_path, stdout=-1, stderr=-1, text=True, preexec_fn=heard) as running:
            assert running.stderr is not None
            seen = ""
            while f"{stage} …" not in seen and (line := running.stderr.readline()):
                seen += line
            time.sleep(0.2)
            running.send_signal(signal.SIGINT)
            _, errors = running.communicate(timeout=100)
        assert "Traceback" not in seen + errors, seen + errors
        assert running.returncode in (0, 130), seen + errors
        if running.returncode == 130:
            stopped.append(stage)
            assert "same command again" in re.sub(r"\s+", " ", errors)
        assert votes_in(tmp_path / "s") >= votes
        votes = votes_in(tmp_path / "s")
    assert {"autoencoder", "flow", "aligning"} <= set(stopped)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert votes_in(tmp_path / "s") == 25
    assert "The report:" in done.stdout
    assert penchant("doctor", "s", cwd=tmp_path).returncode == 0


def heard() -> None:
    """In the new process: Ctrl-C is not ignored, as it is where the tests were started in a shell's background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def votes_in(study: Path) -> int:
    if not (study / "penchant.db").exists():
        return 0
    with sqlite3.connect(study / "penchant.db") as database:
        known = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'current_vote'").fetchone()
        return database.execute("SELECT count(*) FROM current_vote").fetchone()[0] if known else 0


@pytest.mark.slow
def test_a_full_disk_is_told_in_every_step_and_nothing_is_lost(tmp_path: Path):
    """No file may grow beyond a limit, which the system reports like a full disk; then the same step without it."""
    steps = {
        "new pictures:300 --study s --train-seconds 3 --pool 200 --aligner latent_tilt(steps=20,rounds=0)": 100_000,
        "train s": 1_000_000,
        "vote s --voter warm --votes 12": 200_000,
        "align s": 200_000,
        "evaluate s --json figures/out.json": 100,
        "report s": 20_000,
        "sample s --out images": 300,
        "export s --out votes.csv": 300,
    }
    for step, limit in steps.items():

        def limited(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        done = subprocess.run(
            [sys.executable, "-m", "penchant", *step.split()],
            cwd=tmp_path,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            preexec_fn=limited,
            capture_output=True,
            text=True,
        )
        assert re.search("no room left", failed(done)), (step, done.stderr)
        again = penchant(*step.split(), cwd=tmp_path)
        assert again.returncode == 0, (step, again.stderr)
    assert votes_in(tmp_path / "s") > 12  # some were stored before the disk was full
    assert penchant("doctor", "s", cwd=tmp_path).returncode == 0


@pytest.mark.slow
def test_two_processes_train_together(tmp_path: Path):
    assert penchant("new", "pictures:300", "--study", "s", "--train-seconds", "4", cwd=tmp_path).returncode == 0
    launcher = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--multi_gpu",
        "--num_processes",
        "2",
        "--main_process_port",
        "0",
    ]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}

    def launch(*command: str) -> subprocess.CompletedProcess[str]:
        whole = [*launcher, "-m", "penchant", *command]
        return subprocess.run(whole, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)

    done = launch("train", "s")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("version 1 is trained") == 1
    assert penchant("doctor", "s", cwd=tmp_path).returncode == 0
    assert "without a launcher" in re.sub(r"\s+", " ", launch("vote", "s", "--voter", "warm").stderr)


@pytest.mark.parametrize("name", ["pools/1/images.npy", "judge/config.json", "versions/1/weights.safetensors"])
def test_doctor_finds_damaged_files(workplace: Path, name: str):
    path = workplace / "study" / name
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)
    done = penchant("doctor", "study", cwd=workplace)
    assert done.returncode == 1
    assert f"{Path(name).parent} are not what was stored" in re.sub(r"\s+", " ", done.stdout)


def test_doctor_finds_votes_that_do_not_give_the_taste_kept(workplace: Path):
    assert penchant("vote", "study", "--voter", "warm", "--votes", "6", cwd=workplace).returncode == 0
    assert penchant("align", "study", cwd=workplace).returncode == 0
    assert penchant("doctor", "study", cwd=workplace).returncode == 0
    with sqlite3.connect(workplace / "study" / "penchant.db") as database:
        database.execute("DROP TRIGGER event_no_update")
        database.execute("UPDATE event SET choice = 'tie' WHERE seq = 2")
    done = penchant("doctor", "study", cwd=workplace)
    assert done.returncode == 1
    assert "another taste" in done.stdout


def test_help_names_every_command(tmp_path: Path):
    done = penchant("--help", cwd=tmp_path)
    for name in [
        "demo",
        "run",
        "new",
        "train",
        "vote",
        "align",
        "sample",
        "evaluate",
        "report",
        "export",
        "doctor",
        "bench",
    ]:
        assert re.search(rf"\b{name}\b", done.stdout)


def _png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_tastes_are_exported_imported_blended_and_shown(trained_folder: Path, tmp_path: Path):
    copytree(trained_folder, tmp_path / "one")
    copytree(trained_folder, tmp_path / "two")
    for voter in ("warm", "calm"):
        assert penchant("vote", "one", "--voter", voter, "--votes", "8", cwd=tmp_path).returncode == 0
        done = penchant("taste", "export", "one", "--of", voter, "--out", voter, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"voters       {voter}" in done.stdout
    done = penchant("taste", "blend", "warm=0.7", "calm=0.3", "--study", "one", "--out", "both", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = penchant("taste", "show", "both", cwd=tmp_path)
    assert "30% calm, 8 votes" in done.stdout
    assert "about" in done.stdout
    done = penchant("taste", "import", "two", "both", cwd=tmp_path)
    assert "100% of that taste" in done.stdout
    for arguments, text in (
        (("taste", "export", "one", "--out", "warm"), "not an empty folder"),
        (("taste", "export", "one", "--of", "anna", "--out", "x"), "calm, warm"),
        (("taste", "import", "two", "nowhere"), "there is no taste at nowhere"),
        (("taste", "blend", "warm", "--study", "one", "--out", "x"), "NAME=SHARE"),
        (("align", "one", "--of", "warm=much"), "NAME=SHARE"),
    ):
        done = penchant(*arguments, cwd=tmp_path)
        assert done.returncode in (1, 2), done.stderr
        assert text in done.stderr
        assert "Traceback" not in done.stderr
