"""Databases in MaxMind's format, written by Debian's
libmaxmind-db-writer-perl."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

SCRIPT = r"""
use MaxMind::DB::Writer::Tree;
use JSON::PP;
my ($path, $version, $type) = @ARGV;
my $networks = decode_json(do { local $/; <STDIN> });
my %types = (country => 'map', iso_code => 'utf8_string',
             country_code => 'utf8_string', names => 'map',
             en => 'utf8_string');
my $flat = $type eq 'flat';
my $tree = MaxMind::DB::Writer::Tree->new(
    ip_version => $version, record_size => 24,
    database_type => 'Test-Country', languages => ['en'],
    description => { en => 'test' },
    remove_reserved_networks => 0,
    map_key_type_callback => sub {
        $flat && $_[0] eq 'country' ? 'utf8_string' : $types{$_[0]} });
for my $pair (@$networks) {
    $tree->insert_network($pair->[0], $pair->[1]);
}
open my $out, '>:raw', $path or die $!;
$tree->write_tree($out);
close $out or die $!;
"""


def available() -> bool:
    perl = shutil.which("perl")
    return bool(perl) and subprocess.run(
        [perl, "-MMaxMind::DB::Writer::Tree", "-e1"],
        capture_output=True).returncode == 0


def write(path: Path, networks: dict[str, Any], version: int = 6,
          flat: bool = False) -> Path:
    """networks: countries as {"192.0.2.0/24": "DE"}, or whole records."""
    records = []
    for network, record in networks.items():
        if isinstance(record, str):
            record = {"country": record} if flat else {
                "country": {"iso_code": record,
                            "names": {"en": f"Country {record}"}}}
        if version == 6 and ":" not in network:
            address, _, bits = network.partition("/")
            network = f"::{address}/{96 + int(bits)}"
        records.append([network, record])
    subprocess.run(["perl", "-e", SCRIPT, str(path), str(version),
                    "flat" if flat else ""], check=True, text=True,
                   input=json.dumps(records))
    return path
