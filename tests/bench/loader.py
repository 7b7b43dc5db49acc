"""How many pictures a second are decoded and augmented, beside torchvision; and what that costs a step.

    python tests/bench/loader.py [--workers 2] [--pictures 256] [--rounds 5] [--twin] [--json FILE]
    python tests/bench/loader.py --step [resnet18] [--batch 32] [--steps 4] [--rounds 3]

Photographs of 500x375 are made and written as JPEGs into a temporary folder: noise of natural images' spectrum, about
100 KB each. Both sides decode every picture anew, augment to 224x224 and give batches of float32, on as many cores as
there are workers. The peer is torchvision: ImageFolder, its transforms as its own training of ImageNet has them, and
PyTorch's DataLoader with a process for each worker, which is kept between rounds. Where torchvision is not installed, or
with --twin, it is a twin that does the same with Pillow and NumPy: a process for each worker; Image.open, convert, crop,
resize, transpose and ImageEnhance on eight bits; ToTensor and Normalize in NumPy, with the copies that they make; pictures
stacked into batches in shared memory, so that nothing is pickled; two batches ahead for each worker. Bar: at least as many
pictures a second. Rounds are interleaved; medians count. Where others load the machine, processor time for each picture,
printed beside, is the better number. A round is an epoch.

With --step: a training step on batches from the loader beside the same step on one batch again and again. Bar: 1.05.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing import shared_memory
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image, ImageEnhance

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from machine import describe  # noqa: E402

from cnndsl.data import datasets, folder, pipeline  # noqa: E402
from cnndsl.data.draws import permutation  # noqa: E402
from cnndsl.data.loader import Loader, Plan, Reader  # noqa: E402
from cnndsl.language.recipe import Call  # noqa: E402
from cnndsl.runtime.heap import keep_freed_memory  # noqa: E402

SIZE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PLAIN = (Call("random_resized_crop", (SIZE,), {}), Call("flip", (), {}))
LAST = Call("normalize", (MEAN, STD), {})
ROWS = {"crop, flip, normalize": (*PLAIN, LAST), "crop, flip, colours, normalize": (*PLAIN, Call("color_jitter", (), {}), LAST)}
BARS = {"loader": 1.0, "step": 1.05}


def write_photographs(where: Path, count: int, classes: int = 4) -> None:
    """Noise whose amplitude falls as 1/f, as in photographs (Field 1987), a little grain, JPEG quality 90."""
    rng = np.random.default_rng(0)
    height, width = 375, 500
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    fall = 1 / np.maximum(np.hypot(fy, fx), 1 / 500)
    for i in range(count):
        planes = []
        for _ in range(3):
            spectrum = fall * np.exp(2j * np.pi * rng.random(fall.shape))
            planes.append(np.fft.irfft2(spectrum, (height, width)))
        x = np.stack(planes, axis=2) + 0.5 * planes[0][:, :, None]
        x = 128 + 55 * x / x.std() + rng.normal(0, 6, x.shape)
        path = where / f"class{i % classes}" / f"{i:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def twin_picture(path: str, colours: bool) -> np.ndarray:
    """torchvision's transforms on PIL images: (3, 224, 224) float32."""
    with open(path, "rb") as f:
        image = Image.open(f).convert("RGB")
    w, h = image.size
    for _ in range(10):  # RandomResizedCrop.get_params
        area = w * h * random.uniform(0.08, 1)
        aspect = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        wide, high = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= w and 0 < high <= h:
            break
    else:
        wide, high = w, h
    left, top = random.randint(0, w - wide), random.randint(0, h - high)
    image = image.crop((left, top, left + wide, top + high)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    if random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if colours:
        for change in random.sample((ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color), 3):
            image = change(image).enhance(random.uniform(0.6, 1.4))
    # F.to_tensor: np.array(image, copy=True), permute, contiguous, to float32, div(255); F.normalize: clone, sub_, div_.
    planes = np.ascontiguousarray(np.array(image, copy=True).transpose(2, 0, 1)).astype(np.float32) / np.float32(255)
    planes = planes.copy()
    planes -= np.float32(MEAN)[:, None, None]
    planes /= np.float32(STD)[:, None, None]
    return planes


def twin_worker(paths: list[str], colours: bool, batch: int, memory: str, asked: Any, done: Any) -> None:
    held = shared_memory.SharedMemory(memory)
    slots = np.ndarray((held.size // (batch * 3 * SIZE * SIZE * 4), batch, 3, SIZE, SIZE), np.float32, held.buf)
    random.seed(os.getpid())
    while (job := asked.get()) is not None:
        slot, samples = job
        np.stack([twin_picture(paths[s], colours) for s in samples], out=slots[slot])  # default_collate
        done.put((slot, time.process_time()))
    del slots
    held.close()


class Twin:
    """As DataLoader(num_workers = workers, prefetch_factor = 2): each worker makes whole batches, taken in order."""

    about = f"a twin on Pillow {PIL.__version__} and NumPy"

    def __init__(self, paths: list[str], colours: bool, batch: int, workers: int) -> None:
        context = multiprocessing.get_context("fork")
        self.batch, self.workers, count = batch, workers, 2 * workers
        self.memory = shared_memory.SharedMemory(create=True, size=count * batch * 3 * SIZE * SIZE * 4)
        self.asked = [context.Queue() for _ in range(workers)]
        self.done = [context.Queue() for _ in range(workers)]
        given = paths, colours, batch, self.memory.name
        self.processes = [
            context.Process(target=twin_worker, args=(*given, a, d), daemon=True)
            for a, d in zip(self.asked, self.done, strict=True)
        ]
        for p in self.processes:
            p.start()
        self.count = len(paths)

    def run(self, batches: int) -> tuple[float, float]:
        """Seconds and processor seconds for so many batches."""
        order = np.random.default_rng(0).permutation(self.count)
        samples = [order[np.arange(k * self.batch, (k + 1) * self.batch) % self.count].tolist() for k in range(batches)]
        before, used = getattr(self, "used", [0.0] * self.workers), [0.0] * self.workers
        began, sent = time.perf_counter(), 0
        for k in range(batches):
            while sent < min(batches, k + 2 * self.workers):
                self.asked[sent % self.workers].put((sent % (2 * self.workers), samples[sent]))
                sent += 1
            _, used[k % self.workers] = self.done[k % self.workers].get()
        took = time.perf_counter() - began
        self.used = used
        return took, sum(used) - sum(before)

    def close(self) -> None:
        for a in self.asked:
            a.put(None)
        for p in self.processes:
            p.join()
        self.memory.close()
        self.memory.unlink()


class Torchvision:
    """torchvision's transforms on ImageFolder, through DataLoader: what its references/classification does, with 2 ahead."""

    def __init__(self, where: Path, colours: bool, batch: int, workers: int) -> None:
        import torch
        import torchvision
        from torchvision import transforms as t

        torch.set_num_threads(1)
        jitter = [t.ColorJitter(0.4, 0.4, 0.4)] if colours else []
        steps = [t.RandomResizedCrop(SIZE), t.RandomHorizontalFlip(), *jitter, t.ToTensor(), t.Normalize(MEAN, STD)]
        data = torchvision.datasets.ImageFolder(str(where), t.Compose(steps))
        self.loader = torch.utils.data.DataLoader(
            data, batch, shuffle=True, num_workers=workers, drop_last=True, persistent_workers=True, prefetch_factor=2
        )
        self.batch = batch
        self.about = f"torchvision {torchvision.__version__}, PyTorch {torch.__version__}"

    def run(self, batches: int) -> tuple[float, float]:
        """Seconds and processor seconds of an epoch, which begins with nothing ahead, as ours does."""
        before = self.used()
        began = time.perf_counter()
        for images, _ in self.loader:
            assert images.shape == (self.batch, 3, SIZE, SIZE)
            batches -= 1
        assert not batches
        return time.perf_counter() - began, self.used() - before

    def used(self) -> float:
        """Processor seconds of this process and of its workers so far."""
        found, tick = time.process_time(), os.sysconf("SC_CLK_TCK")
        for worker in getattr(self.loader._iterator, "_workers", ()):
            fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
            found += (int(fields[11]) + int(fields[12])) / tick
        return found

    def close(self) -> None:
        if self.loader._iterator is not None:
            self.loader._iterator._shutdown_workers()


class Ours:
    def __init__(self, where: Path, calls: tuple[Call, ...], batch: int, workers: int) -> None:
        self.part, self.batch = datasets.split(datasets.open(where)).train, batch
        self.reader = Reader(pipeline.bind(calls, "augment", random=True), (SIZE, SIZE, 3), workers)
        self.at = 0

    def loader(self, batches: int) -> Loader:
        def order(epoch: int) -> np.ndarray:
            count = -(-batches * self.batch // len(self.part))
            return np.concatenate([permutation(0, epoch * count + i, "shuffle", len(self.part)) for i in range(count)])

        return Loader(self.reader, Plan(self.part, self.batch, batches, batches, 0, order))

    def run(self, batches: int) -> tuple[float, float]:
        loader = self.loader(batches)
        began, used = time.perf_counter(), time.process_time()
        for k in range(batches):
            loader.take(k)
        return time.perf_counter() - began, time.process_time() - used


def pictures_per_second(where: Path, workers: int, batch: int, batches: int, rounds: int, peer: str) -> list[dict[str, Any]]:
    sides = []
    for name, calls in ROWS.items():
        ours = Ours(where, calls, batch, workers)
        colours = len(calls) > 3
        if peer == "torchvision":
            sides.append((name, ours, Torchvision(where, colours, batch, workers)))
        else:
            paths = list(map(str, ours.part.images.paths))  # type: ignore[union-attr]
            sides.append((name, ours, Twin(paths, colours, batch, workers)))
    print(f"beside {sides[0][2].about}", flush=True)
    for _, _, peers in sides:
        peers.run(batches)  # torchvision's processes begin with the first epoch
    keep_freed_memory()  # as the command line does; the peer's processes are there already
    found = []
    for name, ours, twin in sides:
        runs: dict[str, Callable[[int], tuple[float, float]]] = {"cnndsl": ours.run, peer: twin.run}
        times: dict[str, list[tuple[float, float]]] = {side: [] for side in runs}
        for run in runs.values():
            run(batches)
        for _ in range(rounds):
            for side, run in runs.items():
                times[side].append(run(batches))
        twin.close()
        ours.reader.__exit__()
        count = batch * batches
        rate = {side: count / statistics.median(t for t, _ in each) for side, each in times.items()}
        used = {side: 1000 * statistics.median(c for _, c in each) / count for side, each in times.items()}
        ratio = rate["cnndsl"] / rate[peer]
        print(f"{name:34} cnndsl {rate['cnndsl']:6.0f} images/s, {peer} {rate[peer]:6.0f}: {ratio:.2f} times"
              f" (bar {BARS['loader']}: {'met' if ratio >= BARS['loader'] else 'MISSED'});"
              f" processor {used['cnndsl']:.2f} and {used[peer]:.2f} ms an image")  # fmt: skip
        found.append({"row": name, "images_per_second": rate, "processor_ms": used, "ratio": ratio})
    return found


def step_beside_loader(where: Path, model: str, batch: int, workers: int, steps: int, rounds: int) -> list[dict[str, Any]]:
    import cnndsl
    from cnndsl.language.recipe import Sgd
    from cnndsl.training.step import compile_step

    keep_freed_memory()
    net = cnndsl.load(model)
    step = compile_step(net, net.initial_weights(seed=0), loss="cross_entropy(logits)", optimizer=Sgd(0.001, 0.9), batch=batch)
    ours = Ours(where, ROWS["crop, flip, colours, normalize"], batch, workers)
    total = 2 + steps * rounds
    loader = ours.loader(total)
    images, labels = (a.copy() for a in loader.take(0))
    step(images, labels)
    times: dict[str, list[float]] = {"alone": [], "with loader": []}
    used: dict[str, list[float]] = {"alone": [], "with loader": []}
    at = 1
    for _ in range(rounds):
        began, before = time.perf_counter(), time.process_time()
        for _ in range(steps):
            step(images, labels)
        times["alone"].append((time.perf_counter() - began) / steps)
        used["alone"].append((time.process_time() - before) / steps)
        began, before = time.perf_counter(), time.process_time()
        for _ in range(steps):
            step(*loader.take(at))
            at += 1
        for filling in loader._under_way.values():  # as many batches are begun as are used: all their work counts
            filling.wait()
        times["with loader"].append((time.perf_counter() - began) / steps)
        used["with loader"].append((time.process_time() - before) / steps)
    ours.reader.__exit__()
    alone, beside = (statistics.median(times[k]) for k in ("alone", "with loader"))
    cpu = {k: statistics.median(v) for k, v in used.items()}
    verdict = "met" if beside / alone <= BARS["step"] else "MISSED"
    more = cpu["with loader"] / cpu["alone"]
    print(f"{model}, batch {batch}: a step {1000 * alone:.0f} ms alone, {1000 * beside:.0f} ms with the loader:"
          f" {beside / alone:.3f} times (bar {BARS['step']}: {verdict}); processor {1000 * cpu['alone']:.0f} and"
          f" {1000 * cpu['with loader']:.0f} ms, {more:.3f} times")  # fmt: skip
    return [{"row": f"{model}:{batch}", "alone": alone, "with_loader": beside, "ratio": beside / alone, "processor": cpu}]


@contextmanager
def photographs(count: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        write_photographs(Path(name), count)
        sizes = [p.stat().st_size for p in Path(name).glob("*/*.jpg")]
        print(f"{count} photographs of 500x375, {sum(sizes) / count / 1000:.0f} KB each")
        yield Path(name)


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--step", nargs="?", const="resnet18", help="a model whose step runs beside the loader")
    parse.add_argument("--workers", type=int, default=2)
    parse.add_argument("--pictures", type=int, default=256)
    parse.add_argument("--batch", type=int, default=32)
    parse.add_argument("--steps", type=int, default=4)
    parse.add_argument("--rounds", type=int, default=5)
    parse.add_argument("--twin", action="store_true", help="beside the twin, also where torchvision is installed")
    parse.add_argument("--json", type=Path)
    args = parse.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.workers])
    print(describe())
    peer = "twin" if args.twin or find_spec("torchvision") is None else "torchvision"
    folder.KEPT = 0  # every picture is decoded anew
    with photographs(args.pictures) as where:
        if args.step:
            found = step_beside_loader(where, args.step, args.batch, args.workers, args.steps, args.rounds)
        else:
            found = pictures_per_second(where, args.workers, args.batch, args.pictures // args.batch, args.rounds, peer)
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
