"""Compact models of egocentric video and language, their losses and metrics; knows nothing of files of clips or Ray."""

from typing import TYPE_CHECKING

from egocurate.lazy_face import attach

if TYPE_CHECKING:
    from egocurate.models.classifier.config import ClassifierConfig as ClassifierConfig
    from egocurate.models.classifier.model import Classifier as Classifier
    from egocurate.models.egovlp.config import EgoVLPConfig as EgoVLPConfig
    from egocurate.models.egovlp.model import EgoVLP as EgoVLP
    from egocurate.models.egovlpv2.config import EgoVLPv2Config as EgoVLPv2Config
    from egocurate.models.egovlpv2.model import EgoVLPv2 as EgoVLPv2
    from egocurate.models.losses.egonce import egonce as egonce
    from egocurate.models.losses.egonce_plus import egonce_plus as egonce_plus
    from egocurate.models.losses.info_nce import info_nce as info_nce
    from egocurate.models.losses.max_margin import max_margin as max_margin
    from egocurate.models.losses.sigmoid import sigmoid_loss as sigmoid_loss
    from egocurate.models.videomae.config import VideoMAEConfig as VideoMAEConfig
    from egocurate.models.videomae.model import VideoMAE as VideoMAE
    from egocurate.models.videoprism.config import VideoPrismConfig as VideoPrismConfig
    from egocurate.models.videoprism.model import VideoPrism as VideoPrism
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "Classifier": "egocurate.models.classifier.model",
            "ClassifierConfig": "egocurate.models.classifier.config",
            "EgoVLP": "egocurate.models.egovlp.model",
            "EgoVLPConfig": "egocurate.models.egovlp.config",
            "EgoVLPv2": "egocurate.models.egovlpv2.model",
            "EgoVLPv2Config": "egocurate.models.egovlpv2.config",
            "VideoMAE": "egocurate.models.videomae.model",
            "VideoMAEConfig": "egocurate.models.videomae.config",
            "VideoPrism": "egocurate.models.videoprism.model",
            "VideoPrismConfig": "egocurate.models.videoprism.config",
            "egonce": "egocurate.models.losses.egonce",
            "egonce_plus": "egocurate.models.losses.egonce_plus",
            "info_nce": "egocurate.models.losses.info_nce",
            "max_margin": "egocurate.models.losses.max_margin",
            "sigmoid_loss": "egocurate.models.losses.sigmoid",
        },
    )
