# Init, then one invoke after the other until the server hangs up.
#
# Error documents are those of AWS's Ruby runtime: `errorType` is `Init<LoadError>` or
# `Function<RuntimeError>` (LAMBDA.md 76). A process that ends by itself is seen by the engine.

require "json"

require_relative "channel"
require_relative "context"
require_relative "handler"

module LambentRuntime
  MAX_RESPONSE_BYTES = 6_291_556
  OWN = "#{__dir__}/".freeze
  ROOT = ENV.fetch("LAMBDA_TASK_ROOT", "/var/task")

  module_function

  def main
    $stdout.sync = true
    $stderr.sync = true
    log_fd = ENV.delete("_LAMBDA_TELEMETRY_LOG_FD")
    @channel = Channel.new(log_fd&.to_i)
    $LOAD_PATH.unshift(ROOT) unless $LOAD_PATH.include?(ROOT)
    trap("TERM") { exit!(0) }
    handler = load_handler
    @channel.send(Channel::READY, "")
    serve(handler)
  rescue Errno::EPIPE, Errno::ECONNRESET
    exit!(0)
  end

  def load_handler
    Handler.new(ENV.fetch("_HANDLER", ""), ROOT)
  rescue SystemExit
    raise
  rescue Exception => e # rubocop:disable Lint/RescueException -- a LoadError is no StandardError
    document = document_of(e, "Init")
    @channel.record("Init error when loading handler #{ENV.fetch('_HANDLER', '')}\n#{document}")
    @channel.send(Channel::INIT_ERROR, document)
    exit!(1)
  end

  def serve(handler)
    while (invoke = @channel.next_invoke)
      fields, payload = invoke
      trace = fields[3]
      ENV["_X_AMZN_TRACE_ID"] = trace.empty? ? nil : trace
      kind, body = answer(handler, fields, payload)
      @channel.flush
      @channel.send(kind, body)
    end
    exit!(0)
  end

  def answer(handler, fields, payload)
    result = handler.call(JSON.parse(payload), Context.new(fields))
    body = JSON.generate(result)
    return [Channel::ERROR, too_large] if body.bytesize > MAX_RESPONSE_BYTES

    [Channel::RESPONSE, body]
  rescue SystemExit, SignalException
    raise
  rescue Exception => e # rubocop:disable Lint/RescueException -- NotImplementedError and its kin
    document = document_of(e, "Function")
    @channel.record("Error raised from handler method\n#{document}")
    [Channel::ERROR, document]
  end

  def document_of(error, phase)
    JSON.generate(
      "errorMessage" => printable(shown(error.message)),
      "errorType" => "#{phase}<#{error.class.name}>",
      "stackTrace" => frames(error),
    )
  end

  # The function's own frames; traces start at /var/task wherever the code really lies.
  def frames(error)
    own = (error.backtrace || []).reject { |line| line.start_with?(OWN) || line.include?("/bootstrap.rb:") }
    own.map { |line| printable(shown(line)) }
  end

  def shown(text)
    text.start_with?("/var/task") ? text : text.gsub("#{ROOT}/", "/var/task/")
  end

  def printable(text)
    text.dup.force_encoding(Encoding::UTF_8).scrub
  end

  def too_large
    JSON.generate(
      "errorType" => "Function.ResponseSizeTooLarge",
      "errorMessage" => "Response payload size exceeded maximum allowed payload size " \
                        "(#{MAX_RESPONSE_BYTES} bytes).",
    )
  end
end
