// The context object, member for member as AWS's.

"use strict";

// `end` is the call's: `end.done`, `end.succeed`, `end.fail`, `end.waits`.
function makeContext(header, end) {
  const env = process.env;
  const context = {
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: header.clientContext ? JSON.parse(header.clientContext) : undefined,
    identity: header.identity ? JSON.parse(header.identity) : undefined,
    invokedFunctionArn: header.arn,
    awsRequestId: header.requestId,
    tenantId: header.tenantId || undefined,
    getRemainingTimeInMillis: () => header.deadlineMs - Date.now(),
  };
  if (end !== undefined) {
    Object.defineProperty(context, "callbackWaitsForEmptyEventLoop", {
      enumerable: true,
      get: () => end.waits,
      set: (value) => {
        end.waits = value;
      },
    });
    Object.assign(context, { done: end.done, succeed: end.succeed, fail: end.fail });
  }
  return context;
}

module.exports = { makeContext };
