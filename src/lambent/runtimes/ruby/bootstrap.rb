# The first code that runs in a Ruby sandbox: `ruby /var/runtime/bootstrap.rb`.
#
# It only hands over to lambent_runtime/main.rb. Runs on Ruby 3, standard library alone.

require_relative "lambent_runtime/main"

LambentRuntime.main
