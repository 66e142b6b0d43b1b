"""The bundle holds two lines, the same bytes for everybody."""

from __future__ import annotations

import io
import zipfile

from shared.app_bundle import bundle, bundle_hash


def test_the_bundle_holds_nothing_but_imports_of_installed_packages() -> None:
    with zipfile.ZipFile(io.BytesIO(bundle())) as file:
        code = {n: file.read(n).decode() for n in file.namelist() if n.endswith(".py")}
    assert code == {
        "thin/__init__.py": "",
        "thin/server.py": "import server.app\n\napp = server.app.app\n",
        "thin/client.py": "import clients.app\n\napp = clients.app.app\n",
    }


def test_a_release_has_one_hash() -> None:
    before = bundle_hash()
    bundle.cache_clear()
    assert bundle_hash() == before
