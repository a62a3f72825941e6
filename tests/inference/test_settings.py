"""Variables by the names that users know: typed, aliased, refused when they make no sense."""

from pathlib import Path

import pytest

from lambent_inference.settings import InvalidSetting, Settings, load

SWITCHES = (
    "ALLOW_NUMPY_INPUT",
    "ALLOW_NON_HTTPS_URL_INPUT",
    "ALLOW_URL_INPUT_WITHOUT_FQDN",
    "ALLOW_LOADING_IMAGES_FROM_LOCAL_FILESYSTEM",
    "ALLOW_CUSTOM_PYTHON_EXECUTION_IN_WORKFLOWS",
    "ALLOW_WORKFLOW_BLOCKS_ACCESSING_LOCAL_STORAGE",
    "ALLOW_WORKFLOW_BLOCKS_ACCESSING_ENVIRONMENTAL_VARIABLES",
    "USE_FILE_CACHE_FOR_WORKFLOWS_DEFINITIONS",
    "MODEL_VALIDATION_DISABLED",
)


@pytest.mark.parametrize("name", SWITCHES)
def test_the_nine_switches_are_off_until_they_are_switched_on(name):
    field = name.lower()
    assert getattr(load({}), field) is False
    assert getattr(load({name: "True"}), field) is True
    assert getattr(load({name: "False"}), field) is False


def test_values_of_every_kind():
    settings = load(
        {
            "LAMBDA": "True",
            "API_KEY": "k",
            "PRELOAD_MODELS": "a/1, b/2,",
            "MAX_ACTIVE_MODELS": "3",
            "PRELOAD_BUDGET_S": "2.5",
            "MODEL_CACHE_DIR": "/tmp/models",
            "WORKFLOWS_STEP_EXECUTION_MODE": "REMOTE",
            "REDIS_HOST": "",
        }
    )
    assert settings.lambda_ is True
    assert settings.roboflow_api_key == "k"
    assert settings.preload_models == ("a/1", "b/2")
    assert (settings.max_active_models, settings.preload_budget_s) == (3, 2.5)
    assert settings.model_cache_dir == Path("/tmp/models")
    assert settings.workflows_step_execution_mode == "remote"
    assert settings.redis_host is None


def test_the_platforms_own_name_of_the_key_wins():
    assert load({"API_KEY": "a", "ROBOFLOW_API_KEY": "b"}).roboflow_api_key == "b"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_ACTIVE_MODELS", "many"),
        ("ALLOW_NUMPY_INPUT", "perhaps"),
        ("WORKFLOWS_STEP_EXECUTION_MODE", "somewhere"),
    ],
)
def test_nonsense_is_refused_by_name(name, value):
    with pytest.raises(InvalidSetting, match=name):
        load({name: value})


def test_other_variables_are_not_ours():
    assert load({"AWS_REGION": "eu-west-1", "HOME": "/root"}) == Settings()
