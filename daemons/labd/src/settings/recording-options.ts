import { defineOptions } from '@labmesh/kit/options';

/** `[recordings]`: where recordings are kept, and the bucket with the variables that every S3 client reads. */
export const recordingOptions = defineOptions({
  recordingsUrl: {
    type: 'string',
    file: 'recordings.url',
    help: 'file:<dir>, default in the data folder, or s3://<bucket>/<prefix>',
  },
  s3Endpoint: {
    type: 'string',
    env: 'AWS_ENDPOINT_URL',
    file: 'recordings.endpoint',
    help: 'address of an S3 server that is not AWS: https://s3.lab.internal:9000',
  },
  s3Region: { type: 'string', env: 'AWS_REGION', file: 'recordings.region', help: 'region of the bucket' },
  s3AccessKeyId: {
    type: 'string',
    env: 'AWS_ACCESS_KEY_ID',
    envFile: true,
    secret: true,
    help: 'access key of the bucket',
  },
  s3SecretAccessKey: {
    type: 'string',
    env: 'AWS_SECRET_ACCESS_KEY',
    envFile: true,
    secret: true,
    help: 'secret of the access key',
  },
  s3SessionToken: {
    type: 'string',
    env: 'AWS_SESSION_TOKEN',
    envFile: true,
    secret: true,
    help: 'token of a temporary access key',
  },
  recordInput: { type: 'boolean', default: false, file: 'recordings.input', help: 'record what is typed, too' },
  recordTtyBytesMax: {
    type: 'bytes',
    default: '256MiB',
    file: 'recordings.tty_bytes_max',
    help: 'a terminal session ends there',
  },
  recordPipeBytesMax: {
    type: 'bytes',
    default: '8MiB',
    file: 'recordings.pipe_bytes_max',
    help: 'kept of a session without terminal',
  },
  recordRetentionMs: {
    type: 'duration',
    default: '90d',
    file: 'recordings.retention',
    help: 'age at which recordings are removed',
  },
});
