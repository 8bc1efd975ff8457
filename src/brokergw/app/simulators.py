"""Running a broker's simulator as a program."""

from collections.abc import Mapping

from brokergw.sim.__main__ import main


def run(name: str, host: str, port: int, options: Mapping[str, str | bool]) -> int:
    """Serve until a signal; `options` are the simulator's own, such as `{"rate-limit": "200"}`; gives the exit code."""
    arguments = [name, "--host", host, "--port", str(port), "--print-url"]
    for option, value in options.items():
        if value is True:
            arguments.append(f"--{option}")
        elif value is not False:
            arguments += [f"--{option}", value]
    return main(arguments)
