# Frames in and out of descriptor 3, and log records into the log pipe.
# The layout is runtimes/frames.py's.

module LambentRuntime
  class Channel
    INVOKE = 1
    READY = 16
    INIT_ERROR = 17
    RESPONSE = 18
    ERROR = 19
    LOG_MAGIC = "\xA5\x5A\x00\x03".b

    def initialize(log_fd)
      @io = IO.for_fd(3, "r+b", autoclose: false)
      @io.sync = true
      @io.close_on_exec = true
      @log = log_fd ? IO.for_fd(log_fd, "wb", autoclose: false) : $stdout
      @framed = !log_fd.nil?
      @log.sync = true
      @log.close_on_exec = true if @framed
    end

    # [header fields, payload] of the next INVOKE; nil when the server has hung up.
    def next_invoke
      prefix = @io.read(7)
      return nil if prefix.nil? || prefix.bytesize < 7

      length, kind, header_length = prefix.unpack("NCn")
      return nil unless kind == INVOKE

      header = @io.read(header_length).force_encoding(Encoding::UTF_8)
      rest = length - 3 - header_length
      payload = rest.zero? ? "{}" : @io.read(rest)
      [header.split("\n", -1), payload.force_encoding(Encoding::UTF_8)]
    end

    def send(kind, body)
      @io.write([body.bytesize + 1, kind].pack("NC"), body)
    end

    # One log event, however many lines; printed output before it stays before it.
    def record(text)
      flush
      if @framed
        now_us = Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond)
        @log.write(LOG_MAGIC, [text.bytesize, now_us].pack("NQ>"), text)
      else
        @log.write(text, "\n")
      end
    end

    def flush
      [$stdout, $stderr].each do |stream|
        stream.flush
      rescue StandardError
        nil # a stream that the function closed or broke is its own affair
      end
    end
  end
end
