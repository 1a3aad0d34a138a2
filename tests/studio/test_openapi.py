"""Schemathesis reads the studio's OpenAPI description and tries every operation with what fits and what does not."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

from penchant.studio import Access, Studio
from penchant.studio._limits import RateLimit
from penchant.studio._work import Work
from penchant.study import Study

_EXAMPLES = 6
"""Of each operation that fit its description, and as many that do not; the same ones every time."""
_TRIED = settings(
    max_examples=_EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)  # fmt: skip


@pytest.fixture(scope="module")
def described(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BaseSchema, str]]:
    """The description of a studio over two versions, and the owner's token; nothing is really made by it."""
    folder = copytree(trained_folder, tmp_path_factory.mktemp("openapi") / "study")
    with Study.open(folder) as study, pytest.MonkeyPatch.context() as patched:
        study.tell(study.ask().number, "left", voter="human")
        study.align(2)
        patched.setattr(Work, "_begin", lambda *_: None)
        access = Access()
        studio = Studio(study, access)
        patched.setattr(studio._shared.visitors, "_requests", RateLimit(1e9, 1e9))
        headers = _headers(access.token)
        yield schemathesis.openapi.from_asgi("/api/v1/openapi.json", studio.app, headers=headers), access.token
        studio.close()


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Host": "127.0.0.1"}


def _operations(schema: BaseSchema) -> list[APIOperation]:
    found = list(schema.get_all_operations())
    operations = [one.ok() for one in found if isinstance(one, Ok)]
    assert len(operations) == len(found), "an operation that cannot be read"
    return operations


def test_everything_of_the_studio_is_described(described: tuple[BaseSchema, str]) -> None:
    labels = {operation.label for operation in _operations(described[0])}
    assert len(labels) > 30
    assert {"POST /api/v1/votes", "GET /images/{sha256}", "POST /api/v1/work/align", "GET /healthz"} <= labels


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_schemathesis_finds_nothing(described: tuple[BaseSchema, str], mode: GenerationMode) -> None:
    schema, token = described
    answered: set[int] = set()

    def tried(operation: APIOperation) -> None:
        @_TRIED
        @given(case=operation.as_strategy(mode))
        def every(case: Case) -> None:
            response = case.call(headers=_headers(token))
            answered.add(response.status_code)
            # what fits and names no version, vote or image that there is may be refused, but it must be understood
            case.validate_response(response, excluded_checks=[positive_data_acceptance])
            if mode is GenerationMode.POSITIVE:
                assert "the request is not understood" not in response.text

        try:
            every()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, "an operation without anything that could be sent wrongly"

    for operation in _operations(schema):
        tried(operation)
    assert {200, 201, 422} & answered
    assert max(answered) < 500
