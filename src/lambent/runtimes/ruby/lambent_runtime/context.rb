# The context object, member for member as AWS's.

require "json"

module LambentRuntime
  class Context
    attr_reader :aws_request_id, :clock_diff, :deadline_ms, :invoked_function_arn, :log_group_name,
                :log_stream_name, :function_name, :memory_limit_in_mb, :function_version,
                :client_context, :identity, :tenant_id

    def initialize(fields)
      request_id, deadline, arn, _trace, tenant, client_context, identity = fields
      @aws_request_id = request_id
      @deadline_ms = deadline.to_i
      @clock_diff = 0
      @invoked_function_arn = arn
      @tenant_id = tenant.empty? ? nil : tenant
      @client_context = JSON.parse(client_context) unless client_context.empty?
      @identity = JSON.parse(identity) unless identity.to_s.empty?
      @log_group_name = ENV["AWS_LAMBDA_LOG_GROUP_NAME"]
      @log_stream_name = ENV["AWS_LAMBDA_LOG_STREAM_NAME"]
      @function_name = ENV["AWS_LAMBDA_FUNCTION_NAME"]
      @function_version = ENV["AWS_LAMBDA_FUNCTION_VERSION"]
      @memory_limit_in_mb = ENV["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
    end

    def get_remaining_time_in_millis
      left = @deadline_ms - Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond)
      left.positive? ? left : 0
    end
  end
end
