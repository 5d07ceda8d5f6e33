"""The model card: a header that the Hub's own library reads, and every number and name that it should have."""

from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from pipeline.encoder.card import card_text, plain
from pipeline.encoder.config import EncoderConfig
from tests.encoder.test_encoder import made_in

NASTY = "a|b`c</table><script>\x1b[31m"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> EncoderConfig:
    return made_in(tmp_path_factory.mktemp("run"), "cca").load().config


def with_weights_of(config: EncoderConfig, weights: str, licence: str) -> EncoderConfig:
    """The config as if both networks had published weights."""
    facts = {"weights": weights, "sha256": "c" * 64, "licence": licence, "url": "https://example.org/weights"}
    noted = {modality: network.model_copy(update={"facts": facts}) for modality, network in config.networks.items()}
    return config.model_copy(update={"networks": noted})


def test_the_library_of_the_hub_reads_its_header(config: EncoderConfig) -> None:
    card = ModelCard(card_text(config))
    assert (card.data.license, card.data.library_name) == ("mit", "dual-subspace-retrieval")
    assert {"audio-visual-retrieval", "cca", "vggish", "inception"} <= set(card.data.tags)
    assert card.data.metrics == ["map", "mrr", "recall"]


def test_numbers_stand_beside_chance_with_their_interval(config: EncoderConfig) -> None:
    text = card_text(config)
    assert "| average of both | 0.700 ± 0.020 | 0.800 | 0.600 | 0.900 |" in text
    assert "| sound to video | 0.700 | 0.800 | 0.600 | 0.900 |" in text
    assert "| chance | 0.400 ± 0.050 | | | |" in text
    assert "45: 25 train, 10 validation, 10 test; 1 refused" in text
    assert "95 % interval" in text


def test_random_weights_are_said_to_be_random_and_published_ones_have_their_licence(config: EncoderConfig) -> None:
    assert "**vggish and inception have random weights**" in card_text(config)
    assert "vggish: random weights, made from seed 0; not in this folder" in card_text(config)
    published = with_weights_of(config, "imagenet1k_v1", "BSD-3-Clause")
    text = card_text(published, has_weights=True)
    assert "have random weights" not in text
    assert "inception: `imagenet1k_v1`, BSD-3-Clause, from https://example.org/weights; copied into `weights/`." in text
    assert ModelCard(text).data.license == "other"
    assert ModelCard(card_text(published)).data.license == "mit"


def test_an_encoder_of_imported_features_says_that_it_takes_no_files(tmp_path: Path) -> None:
    text = card_text(made_in(tmp_path, "cca", imported=True).load().config)
    assert "it takes no files" in text
    assert 'encoder.joint("audio", features)' in text
    assert "embed_audio" not in text


def test_names_of_a_data_set_are_no_markdown(config: EncoderConfig) -> None:
    facts = config.provenance | {"dataset": config.provenance["dataset"] | {"name": NASTY}}
    text = card_text(config.model_copy(update={"classes": [NASTY], "provenance": facts}))
    assert NASTY not in text
    assert "\x1b" not in text
    assert "<script>" not in text
    assert text.count(plain(NASTY)) == 2
    [row] = [line for line in text.splitlines() if line.startswith("| classes")]
    assert row.replace("\\|", "").count("|") == 3
