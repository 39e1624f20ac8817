"""deploy/ by the schemas of those who read it, and by what the running service tells of itself."""

import configparser
import json
import subprocess
import sys
from collections.abc import Iterator

import kubernetes_validate
import promql_parser
import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from collection.__main__ import COMMANDS
from collection.arguments import parse_watch
from tests.conftest import ROOT
from tests.pictures import drawn, encoded

DEPLOY = ROOT / "deploy"
KUBERNETES = "1.37"


@pytest.fixture(scope="module")
def manifests() -> dict[str, dict]:
    """By kind."""
    documents = yaml.safe_load_all((DEPLOY / "kubernetes/captioner.yaml").read_text())
    return {document["kind"]: document for document in documents}


@pytest.fixture(scope="module")
def container(manifests) -> dict:
    [container] = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
    return container


@pytest.fixture(scope="module")
def exposed(server) -> dict[str, set[str]]:
    """Names and labels of all that /metrics tells after a caption."""
    picture = {"image": ("a.png", encoded(drawn()))}
    requests.post(server.url + "/predict", files=picture, timeout=60).raise_for_status()
    text = requests.get(server.url + "/metrics", timeout=10).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {
        name: {label for s in samples if s.name == name for label in s.labels} for name in {s.name for s in samples}
    }


def expressions() -> Iterator[str]:
    dashboard = json.loads((DEPLOY / "grafana/captioner.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "1m")
    for group in yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["summary"] and rule["labels"]["severity"] in ("warning", "critical")
            yield rule["expr"]


def selectors(expression: str) -> list[tuple[str, set[str]]]:
    """The names that it reads, with the labels that it asks of them."""
    found = []

    def visit(node) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append((node.name, {matcher.name for matcher in node.matchers.matchers}))

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def test_what_is_asked_of_prometheus_is_there(exposed):
    asked = [selector for expression in expressions() for selector in selectors(expression)]
    assert len(asked) > 15
    for name, labels in asked:
        if name != "up":  # Prometheus's own
            assert name in exposed, f"the service does not tell {name}"
            assert labels <= exposed[name], f"{name} has no label {labels - exposed[name]}"
    told = {name for name in exposed if name.startswith("caption_") and not name.endswith("_created")}
    of_histograms = {name for name in told if name.endswith(("_bucket", "_sum", "_count"))}
    assert told - of_histograms <= {name for name, _ in asked}  # and nothing that it tells is forgotten


def test_the_dashboard_is_one_that_grafana_finds(exposed):
    dashboard = json.loads((DEPLOY / "grafana/captioner.json").read_text())
    [source] = yaml.safe_load((DEPLOY / "grafana/datasources.yaml").read_text())["datasources"]
    for panel in dashboard["panels"]:
        assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_compose_takes_it():
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "deploy/compose.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = compose["services"]
    assert (DEPLOY / services["captioner"]["build"] / "Dockerfile").is_file()
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("${"):  # whoever starts it says where
                continue
            assert (DEPLOY / source).exists() if source.startswith(".") else source in compose["volumes"]
        assert all(name in services for name in service.get("depends_on", []))
    scraped = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    [[target]] = [config["targets"] for job in scraped["scrape_configs"] for config in job["static_configs"]]
    assert target == "captioner:7860" and "7860:7860" in services["captioner"]["ports"]
    assert all((DEPLOY / "prometheus" / name).is_file() for name in scraped["rule_files"])


@pytest.mark.parametrize("kind", ["Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"])
def test_kubernetes_takes_it(manifests, kind):
    kubernetes_validate.validate(manifests[kind], KUBERNETES, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):  # it would say so
        kubernetes_validate.validate(manifests[kind] | {"spec": {"selektor": {}}}, KUBERNETES, strict=True)


def test_the_manifests_belong_together(manifests, container):
    pod = manifests["Deployment"]["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert manifests["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert manifests["Service"]["spec"]["selector"] == labels
    assert manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert (
        manifests["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"]
        == pod["metadata"]["labels"]["app.kubernetes.io/name"]
    )
    [port] = container["ports"]
    assert manifests["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(port["containerPort"]) == "7860"
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    assert "/dev/shm" in {mount["mountPath"] for mount in container["volumeMounts"]}
    assert container["securityContext"]["readOnlyRootFilesystem"] and pod["spec"]["securityContext"]["runAsNonRoot"]
    assert f"--uid {pod['spec']['securityContext']['runAsUser']} " in (ROOT / "Dockerfile").read_text()


def test_the_probes_ask_what_answers(container, server, exposed):
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        path = container[name]["httpGet"]["path"]
        assert requests.get(server.url + path, timeout=10).status_code == 200


def test_the_autoscaler_asks_for_a_metric_that_the_adapter_makes(manifests, exposed):
    [metric] = manifests["HorizontalPodAutoscaler"]["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    values = yaml.safe_load((DEPLOY / "kubernetes/prometheus-adapter.yaml").read_text())
    [rule] = values["rules"]["custom"]
    [(series, labels)] = selectors(rule["seriesQuery"])
    assert series == name and name in exposed
    assert set(rule["resources"]["overrides"]) == labels == {"namespace", "pod"}
    query = rule["metricsQuery"].replace("<<.Series>>", series).replace("<<.LabelMatchers>>", 'pod="a"')
    assert selectors(query.replace("<<.GroupBy>>", "pod")) == [(name, {"pod"})]


def test_systemd_takes_it():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(DEPLOY / "systemd/image-captioner-watch.service")
    python, module, package, *arguments = unit["Service"]["ExecStart"].split()
    assert python.startswith("/") and (module, package) == ("-m", "collection")
    assert arguments[0] == "watch" and arguments[1] == "${PHOTOGRAPHS}"
    state = f"/var/lib/{unit['Service']['StateDirectory']}/"
    assert arguments[2] == "--output" and arguments[3].startswith(state)  # the one place that it may write to


def test_compose_watches_with_a_command_that_there_is(tmp_path):
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["watch"]
    assert service["command"][:3] == ["python", "-m", "collection"] and service["command"][3] in COMMANDS
    arguments = [str(tmp_path) if text == "/photographs" else text for text in service["command"][4:]]
    assert parse_watch(arguments).parsed.output.name == "results.jsonl"
    for file in ("Dockerfile", ".dockerignore"):
        assert "requirements/watch.txt" in (ROOT / file).read_text()
