"""Ruby functions on the managed runtime, with the distribution's Ruby."""

import base64
import json
import uuid

import pytest
from scripts import fetch_interpreters

RUNTIME = "ruby3.3"

SOURCE = """
$calls = 0
puts "at init"
def handler(event:, context:)
  $calls += 1
  puts "said", event.inspect
  case event["do"]
  when "raise" then raise ArgumentError, "boom"
  when "exit" then exit 4
  when "missing" then nothing_here
  when "large" then "x" * 6291557
  when "unjson" then Float::NAN
  else
    { "event" => event, "calls" => $calls, "id" => context.aws_request_id,
      "left" => context.get_remaining_time_in_millis, "arn" => context.invoked_function_arn,
      "client" => context.client_context, "env" => ENV.to_h, "ruby" => RUBY_VERSION }
  end
end
module App
  class Api
    def self.run(event:, context:) = "in a class"
  end
end
"""


@pytest.fixture(scope="session", autouse=True)
def ruby():
    try:
        fetch_interpreters.ruby()
    except fetch_interpreters.Unavailable as reason:
        pytest.skip(f"no Ruby to test with: {reason}")


@pytest.fixture
def make(server):
    made = []

    def function(files=SOURCE, handler="app.handler", **options):
        name = f"ruby-{uuid.uuid4().hex[:12]}"
        made.append(name)
        files = files if isinstance(files, dict) else {"app.rb": files}
        options = {"MemorySize": 256, "Runtime": RUNTIME, **options}
        return server.function(name, files, Handler=handler, **options)

    yield function
    for name in made:
        server.client.delete_function(FunctionName=name)


def call(server, name, payload=None, **options):
    answer = server.client.invoke(
        FunctionName=name, Payload=json.dumps(payload or {}).encode(), LogType="Tail", **options
    )
    tail = base64.b64decode(answer["LogResult"]).decode()
    return json.loads(answer["Payload"].read()), answer.get("FunctionError"), tail


def test_a_handler_and_its_surroundings(server, make):
    name = make()
    context = base64.b64encode(b'{"custom": 1}').decode()
    told, error, tail = call(server, name, {"a": "é"}, ClientContext=context)
    assert error is None
    assert told["event"] == {"a": "é"}
    assert told["client"] == {"custom": 1}
    assert 0 < told["left"] <= 30_000
    assert told["arn"].endswith(name)
    assert f"START RequestId: {told['id']}" in tail
    assert "\nsaid\n" in tail
    assert told["env"]["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{RUNTIME}"
    assert told["env"]["RUBYLIB"] == "/var/task:/var/runtime:/opt/ruby/lib"
    assert told["env"]["GEM_PATH"].startswith("/var/task/vendor/bundle/ruby/3.3.0")
    assert told["env"]["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert call(server, name)[0]["calls"] == 2


def test_classes_folders_and_vendored_code(server, make):
    assert call(server, make(handler="app.App::Api.run"))[0] == "in a class"
    files = {
        "src/deep.rb": "require 'lib/part'\ndef go(event:, context:) = PART",
        "lib/part.rb": "PART = 7",
    }
    assert call(server, make(files, "src/deep.go"))[0] == 7


def test_errors_have_aws_s_shape(server, make):
    name = make()
    failed, error, tail = call(server, name, {"do": "raise"})
    assert error == "Unhandled"
    assert list(failed) == ["errorMessage", "errorType", "stackTrace"]
    assert (failed["errorMessage"], failed["errorType"]) == ("boom", "Function<ArgumentError>")
    assert failed["stackTrace"][0].startswith("/var/task/app.rb:8:in ")
    assert "Error raised from handler method" in tail
    assert call(server, name, {"do": "missing"})[0]["errorType"] == "Function<NameError>"
    assert call(server, name, {"do": "large"})[0]["errorType"] == "Function.ResponseSizeTooLarge"
    assert call(server, name, {"do": "unjson"})[0]["errorType"] == "Function<JSON::GeneratorError>"
    assert call(server, name)[0]["calls"] == 5
    failed, _, _ = call(server, name, {"do": "exit"})
    assert failed["errorMessage"].endswith("Runtime exited with error: exit status 4")
    assert call(server, name)[0]["calls"] == 1


@pytest.mark.parametrize(
    ("files", "handler", "kind"),
    [
        ({"other.rb": ""}, "app.handler", "Init<LoadError>"),
        ({"app.rb": "def ("}, "app.handler", "Init<SyntaxError>"),
        ({"app.rb": "raise IOError, 'x'"}, "app.handler", "Init<IOError>"),
        ({"app.rb": ""}, "app", "Init<ArgumentError>"),
        ({"app.rb": ""}, "app.handler", "Function<NoMethodError>"),
    ],
)
def test_what_cannot_be_loaded(server, make, files, handler, kind):
    failed, error, _ = call(server, make(files, handler))
    assert error == "Unhandled"
    assert failed["errorType"] == kind


@pytest.mark.slow
def test_without_isolation(start_server):
    server = start_server(sandbox="process")
    server.function("r", {"app.rb": SOURCE}, Runtime=RUNTIME, MemorySize=512)
    trace = call(server, "r", {"do": "raise"})[0]["stackTrace"]
    assert trace[0].startswith("/var/task/app.rb:8:in ")
    assert call(server, "r")[0]["calls"] == 2
