"""Pages made at random, right and wrong ones, for Prometheus and for us to read: the same number makes the same page."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

_NAMES = ("a", "b", "a_b", "foo", "foo_total", "x:y", "_z", "A9")
_QUOTED_NAMES = ("a b", "é", "a.b", 'a\\"q', "a\\\\b", "x")
_LABELS = ("x", "y", "z_1", "job", "A")
_QUOTED_LABELS = ("my label", "é", "a-b", "9", "x")
_VALUES = ("", "1", "a b", "}", "{", "\\\\", "\\n", '\\"', ",", "=", "€", "a\\xb", "#", " # ", "\0", "\xa0")
_NUMBERS = ("1", "0", "-1", "1.5", "+3", "1e3", "1E-2", "NaN", "nan", "Inf", "+Inf", "-inf", "infinity", ".5", "5.")
_NO_NUMBERS = ("1_0", "0x1p2", "1e400", "-nan", "++1", "--", "1,0", "x")
_NO_TIMES = ("NaN", "1_2", "99999999999999999999", "soon", "0x1")
_TYPES = ("counter", "gauge", "histogram", "summary")
_WRONG_BYTES = (b"\xff", b"\xe9", b'"', b"\\", b"}", b"{", b",", b" ", b"\r", b"=")


@dataclass(frozen=True, slots=True)
class RandomPage:
    """A page as a server sends it."""

    body: bytes
    openmetrics: bool

    @property
    def content_type(self) -> str:
        """What the server says that it is."""
        if self.openmetrics:
            return "application/openmetrics-text; version=1.0.0; charset=utf-8"
        return "text/plain; version=0.0.4; charset=utf-8"


def random_page(seed: int, time: int) -> RandomPage:
    """Return a page. Samples with a time have `time` (Unix seconds); about every second page has a fault somewhere."""
    return _Maker(Random(seed), time).page()


class _Maker:
    def __init__(self, random: Random, time: int) -> None:
        self.random = random
        self.openmetrics = random.random() < 0.45
        self.faults = random.choice((0.0, 0.0, 0.03, 0.15))
        self.time = str(time) if self.openmetrics else f"{time}000"

    def page(self) -> RandomPage:
        lines: list[str] = []
        for _ in range(self.random.choice((1, 2, 3, 6))):
            kind = self.random.random()
            if kind < 0.45:
                lines.append(self.sample())
            elif kind < 0.6:
                lines.append(self.metadata())
            elif kind < 0.65 and (not self.openmetrics or self.fault()):
                lines.append(self.random.choice(("# comment", "#", "", "# ", " \t", "#x", "# HELPx y")))
            else:
                lines += self.family()
        if self.random.random() < 0.3:
            self.random.shuffle(lines)
        text = "\n".join(lines)
        if self.openmetrics or self.random.random() < 0.9:
            text += "\n"
        if self.openmetrics and not self.fault():
            text += "# EOF" + self.random.choice(("", "\n"))
        body = text.encode() or b"\n"
        if self.fault():
            at = self.random.randrange(len(body))
            body = body[:at] + self.random.choice(_WRONG_BYTES) + body[at + self.random.choice((0, 1)) :]
        return RandomPage(body, self.openmetrics)

    def fault(self) -> bool:
        return self.random.random() < self.faults

    def space(self, least: str = "") -> str:
        """White space, where the format allows some."""
        if self.openmetrics and not self.fault():
            return least
        return self.random.choice((least, least, " ", "\t", "  "))

    def labels(self) -> str:
        names = self.random.sample(_LABELS, self.random.choice((0, 1, 1, 2, 3)))
        if self.fault():
            names += self.random.choice((["x", "x"], ["__name__"], ["9x"], ["é"], [""]))
        if self.random.random() < 0.3:
            names.append('"' + self.random.choice(_QUOTED_LABELS[:4]) + '"')
        pairs = [
            f'{self.space()}{name}{self.space()}={self.space()}"{self.random.choice(_VALUES)}"{self.space()}'
            for name in names
        ]
        comma = " " if self.fault() else ","
        return comma.join(pairs) + ("," if pairs and self.random.random() < 0.2 else "")

    def sample(self) -> str:
        labels = self.labels()
        if self.random.random() < 0.25:
            name = "" if self.fault() else f'"{self.random.choice(_QUOTED_NAMES)}"'
            series = f"{{{name}{',' if name and labels else ''}{labels}}}"
        else:
            series = self.random.choice(_NAMES) + (f"{{{labels}}}" if labels or self.random.random() < 0.2 else "")
        line = f"{series}{self.space(' ') or ' '}{self.number()}"
        if self.random.random() < 0.3:
            line += f"{self.space(' ') or ' '}{self.random.choice(_NO_TIMES) if self.fault() else self.time}"
        if (self.openmetrics and self.random.random() < 0.2) or self.fault():
            line += f' # {{trace="{self.random.choice(_VALUES[1:13])}"}} {self.number()}'
        return line + (self.random.choice((" ", " 1 1", "#", "{}")) if self.fault() else "")

    def number(self) -> str:
        return self.random.choice(_NO_NUMBERS if self.fault() else _NUMBERS)

    def metadata(self) -> str:
        keyword = self.random.choice(("TYPE", "HELP", "UNIT") if self.openmetrics or self.fault() else ("TYPE", "HELP"))
        name = self.random.choice((*_NAMES, '"a b"', '"a.b"'))
        if keyword == "UNIT":
            name, text = ("a_b", "c" if self.fault() else "b")
        elif keyword == "HELP":
            text = self.random.choice(("text", "a \\n b", '\\\\ \\" \\x', "", "é", "  two  ", "#"))
        else:
            other = "unknown" if self.openmetrics else "untyped"
            text = (
                self.random.choice(("thing", "Counter", ""))
                if self.fault()
                else self.random.choice(("gauge", "counter", other))
            )
        return f"#{self.space(' ') or ' '}{keyword} {name} {text}"

    def family(self) -> list[str]:
        """A family as a client library writes it, sometimes in another order."""
        kind = self.random.choice((*_TYPES, "info", "stateset", "gaugehistogram") if self.openmetrics else _TYPES)
        name = self.random.choice(("fa", "fb", "fc")) + "_" + kind
        labels = self.random.choice(("", 'x="1"', 'x="1",y="a b"'))
        time = self.random.choice(("", "", f" {self.time}"))

        def line(suffix: str, value: str, timestamp: str = "") -> str:
            inside = ",".join(filter(None, (labels, timestamp)))
            return f"{name}{suffix}{{{inside}}} {value}{time}" if inside else f"{name}{suffix} {value}{time}"

        samples = {
            "counter": lambda: [
                line("_total", "5"),
                *([line("_created", "1600000000.123")] if self.openmetrics else []),
            ],
            "gauge": lambda: [line("", "2")],
            "summary": lambda: [
                *(
                    line("", str(number), f'quantile="{quantile}"')
                    for number, quantile in enumerate(("0.5", "0.90", "1"))
                ),
                *(line("_sum", "3.5"), line("_count", "2")),
            ],
            "histogram": lambda: [
                *(
                    line("_bucket", str(number), f'le="{bound}"')
                    for number, bound in enumerate(("0.5", "1", "1e3", "+Inf"))
                ),
                *(line("_sum", "3.5"), line("_count", "3")),
            ],
            "info": lambda: [line("_info", "1", 'v="1"')],
            "stateset": lambda: [line("", "1", f'{name}="on"'), line("", "0", f'{name}="off"')],
            "gaugehistogram": lambda: [
                line("_bucket", "3", 'le="1.0"'),
                line("_bucket", "4", 'le="+Inf"'),
                line("_gcount", "4"),
            ],
        }[kind]()
        lines = [f"# TYPE {name} {kind}", *samples]
        if self.random.random() < 0.3:
            self.random.shuffle(lines)
        return lines
