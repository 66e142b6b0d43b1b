"""Whether the content models of a bundle are well; as `clients.training.content_health` says.

Private data of the node's users: for `isthmus-node train` and `evaluate` to print, never sent.
"""

from __future__ import annotations

from clients.bundle import BESIDE, Bundle
from clients.content_file import ContentPart
from clients.data.dataset import Histories
from clients.training.content_health import ContentHealth, content_health
from clients.training.profiles import ProfileSet
from shared.models.item_matrix import ItemMatrix


def bundle_health(bundle: Bundle, training: Histories) -> dict[str, ContentHealth]:
    """Part → health of each content model that a fusion can weigh.

    Parameters
    ----------
    training
        What the models were trained on: no validation and no test item in it.
    """
    lstms = bundle.lstms()
    return {
        part: _health(content, lstms[BESIDE[part]].items, training)
        for part, content in bundle.contents().items()
        if BESIDE[part] in lstms
    }


def _health(content: ContentPart, items: ItemMatrix, training: Histories) -> ContentHealth:
    examples = ProfileSet(training, items.vectors, content.config)
    return content_health(content.config, content.parameters, examples, items)
