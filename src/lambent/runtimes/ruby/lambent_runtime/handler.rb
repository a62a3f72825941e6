# From `_HANDLER` (`file.method` or `folder/file.Module::Class.method`) to something to call.

module LambentRuntime
  class Handler
    def initialize(name, root)
      @file, @method, @class_name = split(name)
      path = File.expand_path(@file, root)
      require path
    end

    # AWS calls handlers with keywords.
    def call(event, context)
      target.send(@method, event: event, context: context)
    end

    private

    def split(name)
      file, *rest = name.split(".")
      case rest.length
      when 1 then [file, rest[0], nil]
      when 2 then [file, rest[1], rest[0]]
      else
        raise ArgumentError, "Invalid handler #{name}, must be of form FILENAME.METHOD or " \
                             "FILENAME.CLASS.METHOD where FILENAME corresponds with an existing " \
                             "Ruby source file FILENAME.rb, CLASS is an optional module/class " \
                             "namespace and METHOD is a callable method."
      end
    end

    def target
      @target ||= @class_name ? Object.const_get(@class_name) : TOPLEVEL_BINDING.receiver
    end
  end
end
