"""The platforms that the course is installed on: what the markers of packages see there, and which wheels fit.

`course bundle` fetches wheels for them, and tools/refresh_constraints.py proves that there are some.
"""

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms

GLIBC = 28  # 2.28: Debian 10, Ubuntu 18.10, RHEL 8 and all that are newer
MACOS = (14, 0)
#: Of each platform: what markers see there, and the tags of wheels that it takes, the best first.
PLATFORMS = {
    f"{system} {machine}": (
        {"os_name": os_name, "sys_platform": name, "platform_system": system, "platform_machine": machine},
        tags,
    )
    for os_name, name, system, machine, tags in (
        *(
            (
                *("posix", "linux", "Linux", machine),
                [f"manylinux_2_{n}_{machine}" for n in range(GLIBC, 4, -1)]
                + [f"manylinux{old}_{machine}" for old in ("2014", "2010", "1")],
            )
            for machine in ("x86_64", "aarch64")
        ),
        ("posix", "darwin", "Darwin", "arm64", list(mac_platforms(MACOS, "arm64"))),
        ("nt", "win32", "Windows", "AMD64", ["win_amd64"]),
    )
}


def environment(platform: str, minor: int) -> tuple[dict[str, str], set[Tag]]:
    """What markers see on a platform with a Python 3, and the tags of wheels that fit there."""
    seen, platforms = PLATFORMS[platform]
    version, interpreter = (3, minor), f"cp3{minor}"
    tags = {*cpython_tags(version, [interpreter], platforms), *compatible_tags(version, interpreter, platforms)}
    said = {
        **{"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.0"},
        **{"implementation_name": "cpython", "platform_python_implementation": "CPython"},
    }
    return seen | said, tags
