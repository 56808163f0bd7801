#
# Copyright (C) 2026 The ngx_llmops_module authors
#
# A machine that counts every instruction, those of the kernel, too.
#
# Valgrind sees a process' own instructions.  What the kernel does for it, to
# open a file or to send bytes, is as much a part of what a request costs, and
# virtual machines seldom have counters for it.  QEMU's -icount gives a virtual
# processor one nanosecond of its time for each instruction, whatever the host
# does meanwhile.  So what the kernel in it says of a process' time, in
# /proc/PID/schedstat, is a number of instructions, and the same each time.
# What is in between, interrupts above all, is in it, as it is in any process'.
#
# Kernel, QEMU and BusyBox are Debian's packages, unpacked below build/.  The
# machine has a memory disk with nginx, the tools and what they need of
# libraries, and no other.

import gzip
import os
import pathlib
import platform
import re
import shutil
import subprocess

ROOT = 'machine'                # below build/
SECONDS = 300                   # until it has done all
WARM = 200                      # requests before those that are counted
COUNTED = 2000
SPIN = 100_000_000              # what spin.c executes
SPIN_ERROR = 0.01

# Instructions of one kind that move many bytes are one for a processor and
# one for each byte here; the kernel takes those for eight bytes without erms.
CPU = 'max,-erms,-fsrm'

QEMU = ['-accel', 'tcg', '-icount', 'shift=0,sleep=off', '-cpu', CPU,
        '-smp', '1', '-m', '1G', '-nodefaults', '-no-user-config',
        '-nographic', '-serial', 'stdio', '-no-reboot',
        '-append', 'console=ttyS0 quiet panic=-1 mitigations=off']

INIT = '''#!/bin/sh
mount -t proc proc /proc
mount -t devtmpfs dev /dev
ifconfig lo 127.0.0.1 up
ulimit -n 8000

used() {
    set -- $(cat /proc/$1/schedstat)
    echo $1
}

side() {        # NAME PORT BODY
    master=$(cat /$1/pid)
    set -- $1 $2 $3 $(cat /proc/$master/task/$master/children)
    load -p $2 -b $3 -n %(warm)d > /dev/null || echo failed $1
    before=$(used $4)
    load -p $2 -b $3 -n %(counted)d > /dev/null || echo failed $1
    after=$(used $4)
    echo counted $1 $(( (after - before) / %(counted)d ))
}

spin %(spin)d
fixture %(fixture)s > /dev/null &
%(start)s
sleep 2
%(sides)s
head -n 9 /*/error.log
echo done
poweroff -f
'''

USERS = ('root', 0), ('www-data', 33), ('nobody', 65534)


class Missing(Exception):
    """Why there is no such machine here."""


def packages(root):
    """The kernel's and QEMU's packages, unpacked; installs nothing."""
    if (root / 'done').exists():
        return
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)

    def apt(*words):
        done = subprocess.run(words, cwd=root, capture_output=True, text=True)
        if done.returncode:
            raise Missing((done.stderr.strip().splitlines() or words)[-1])
        return done.stdout

    # the newest kernel is what an empty package depends on
    wanted = re.findall(r'Depends: (linux-image-\d\S+)', apt(
        'apt-cache', 'depends', 'linux-image-cloud-amd64'))[:1]
    wanted += re.findall(r'^Inst (\S+)', apt(
        'apt-get', 'install', '-s', '--no-install-recommends',
        'qemu-system-x86', 'busybox-static'), re.M)
    apt('apt-get', 'download', '-qq', *wanted)
    for package in root.glob('*.deb'):
        apt('dpkg', '-x', package.name, '.')
        package.unlink()
    (root / 'done').touch()


def libraries(programs):
    for program in programs:
        said = subprocess.run(['ldd', program], capture_output=True, text=True)
        yield from re.findall(r'/\S+', said.stdout)


def disk(files, path):
    """An archive of (name, mode, content), as initramfs wants it: "newc"."""
    with gzip.open(path, 'wb', 1) as out:
        made = {''}

        def put(name, mode, content=b''):
            head = [0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0,
                    len(name) + 1, 0]
            text = '070701' + ''.join(f'{n:08x}' for n in head) + name + '\0'
            out.write(text.encode() + bytes(-len(text) % 4))
            out.write(content + bytes(-len(content) % 4))

        def directory(name):
            if name not in made:
                directory(name.rpartition('/')[0])
                made.add(name)
                put(name, 0o040755)

        for name, mode, content in files:
            directory(name.rpartition('/')[0])
            put(name, mode, content)
        put('TRAILER!!!', 0)


def contents(root, sides, tools, programs, fixture):
    """What is on the disk."""
    def program(name, path):
        return name, 0o100755, pathlib.Path(path).read_bytes()

    busybox = next(path for path in (root / 'bin/busybox',
                                     root / 'usr/bin/busybox',
                                     pathlib.Path('/bin/busybox'))
                   if path.exists())
    yield program('bin/busybox', busybox)
    for name in ('sh', 'mount', 'ifconfig', 'cat', 'head', 'sleep',
                 'poweroff'):
        yield f'bin/{name}', 0o120777, b'busybox'
    own = [tools / name for name in ('fixture', 'load', 'spin')]
    for path in own:
        yield program(f'bin/{path.name}', path)
    for path in sorted({*map(str, programs), *libraries([*programs, *own])}):
        yield program(path.lstrip('/'), path)

    for name in 'proc', 'dev', 'tmp':
        yield f'{name}/none', 0o100644, b''
    for name, rest in ('passwd', ':{}::/:'), ('group', ':'):
        yield f'etc/{name}', 0o100644, ''.join(
            f'{user}:x:{number}{rest.format(number)}\n'
            for user, number in USERS).encode()
    for side in sides:
        yield f'{side.name}/conf', 0o100644, side.conf.encode()
        for name, content in side.files.items():
            yield f'{side.name}/{name}', 0o100644, content
    yield 'init', 0o100755, (INIT % {
        'warm': WARM, 'counted': COUNTED, 'spin': SPIN, 'fixture': fixture,
        'start': '\n'.join(
            f'{side.nginx} -p /{side.name} -c /{side.name}/conf '
            f'-e /{side.name}/error.log &' for side in sides),
        'sides': '\n'.join(f'side {side.name} {side.port} {side.body}'
                           for side in sides),
    }).encode()


class Side:
    """One nginx: its configuration, the port that it listens on, files below
    its prefix, and the file of the requests' body, or "-" for a GET."""

    def __init__(self, name, nginx, port, conf, body='-', files=None):
        self.name, self.nginx, self.port = name, nginx, port
        self.conf, self.files = conf, dict(files or {})
        self.body = body if body == '-' else f'/{name}/body'
        if body != '-':
            self.files['body'] = pathlib.Path(body).read_bytes()


def boot(root, image):
    """Runs it; what it has said."""
    program = shutil.which('qemu-system-x86_64')
    words, env = [], dict(os.environ)
    if program is None:
        lib = 'usr/lib/x86_64-linux-gnu'
        program = root / 'usr/bin/qemu-system-x86_64'
        words = ['-L', root / 'usr/share/qemu',
                 '-L', root / 'usr/share/seabios']
        env['LD_LIBRARY_PATH'] = f'{root / lib}:{root}/lib/x86_64-linux-gnu'
        env['QEMU_MODULE_DIR'] = f'{root / lib}/qemu'
    kernel = next((root / 'boot').glob('vmlinuz-*'))
    done = subprocess.run(
        [program, *words, *QEMU, '-kernel', kernel, '-initrd', image],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=env, timeout=SECONDS)
    return done.stdout.decode(errors='replace')


def count(build, tools, sides, programs, fixture):
    """Instructions of a request of each side, by name.

    programs are those, and modules, that the sides need; fixture is what their
    provider is told.
    """
    if platform.machine() != 'x86_64':
        raise Missing('it is made for x86_64')
    if shutil.which('dpkg') is None:
        raise Missing('it is made of Debian\'s packages')
    root = build / ROOT
    packages(root)
    image = root / 'disk'
    disk(contents(root, sides, tools, programs, fixture), image)
    said = boot(root, image)

    found = {name: int(n) for name, n in re.findall(
        r'counted (\S+) (\d+)', said)}
    spun = re.search(r'spin (\d+)', said)
    if (not spun or 'failed' in said or 'done' not in said
            or set(found) != {side.name for side in sides}):
        raise SystemExit(f'the machine has failed:\n{said}')
    if abs(int(spun[1]) / SPIN - 1) > SPIN_ERROR:
        raise SystemExit(f'it counts {int(spun[1]):,} instructions where '
                         f'{SPIN:,} were executed')
    return found
