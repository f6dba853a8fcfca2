/** Recordings: who writes them, and the bucket they go to where the settings name one. */
import type { Metrics } from '@labmesh/kit/metrics';
import type { EventLog } from '../events/event-log.ts';
import { RecordingArchive } from '../recordings/archive/recording-archive.ts';
import { S3Bucket } from '../recordings/archive/s3-bucket.ts';
import { openRecorder, type Recorder } from '../recordings/recorder.ts';
import { folderOfUrl } from '../recordings/recording-folder.ts';
import type { LabdOptions } from '../settings/labd-options.ts';
import type { World } from '../settings/world.ts';
import type { Trust } from './compose-trust.ts';

export type RecordingsParts = Pick<Trust, 'secrets'> & {
  store: World['store'];
  options: LabdOptions;
  dataDir: string;
  replicaId: string;
  metrics: Metrics;
  events: EventLog;
  clock: World['clock'];
  log: World['log'];
};

export type Recordings = {
  recorder: Recorder;
  /** Undefined: recordings stay in their folder. */
  archive: RecordingArchive | undefined;
};

const isBucket = ({ recordingsUrl }: LabdOptions) => recordingsUrl?.startsWith('s3:') === true;

function recorderOf(parts: RecordingsParts): Recorder {
  const { options, dataDir, replicaId, store, secrets, metrics, events, clock, log } = parts;
  const localUrl = `file:${dataDir}/recordings`;
  return openRecorder({
    store,
    secrets,
    // Whatever goes to a bucket is written here first.
    url: isBucket(options) ? localUrl : (options.recordingsUrl ?? localUrl),
    clock,
    log,
    metrics,
    options: {
      input: options.recordInput,
      ttyBytesMax: options.recordTtyBytesMax,
      pipeBytesMax: options.recordPipeBytesMax,
    },
    onAlarm: ({ type, why }) => events.emit('recording-failed', 'replica', replicaId, { type, why }),
  });
}

/** Undefined: recordings stay in a folder. @throws FleetError VALIDATION_FAILED for a bucket that cannot work */
function bucketOf(options: LabdOptions): S3Bucket | undefined {
  if (!isBucket(options)) return undefined;
  const { recordingsUrl: url = '', s3Endpoint: endpoint, s3Region: region } = options;
  const { s3AccessKeyId: accessKeyId, s3SecretAccessKey: secretAccessKey, s3SessionToken: sessionToken } = options;
  return new S3Bucket({ url, endpoint, region, accessKeyId, secretAccessKey, sessionToken });
}

/** Asks no bucket and makes no folder. @throws FleetError VALIDATION_FAILED for settings that cannot work */
export function checkRecordings(options: LabdOptions): void {
  if (bucketOf(options) === undefined && options.recordingsUrl !== undefined) folderOfUrl(options.recordingsUrl);
}

function archiveOf(parts: RecordingsParts, { folder }: Recorder): RecordingArchive | undefined {
  const { options, replicaId, store, metrics, events, clock, log } = parts;
  const bucket = bucketOf(options);
  if (bucket === undefined) return undefined;
  const onChange = (change: { state: string; why: string }) =>
    events.emit('recording-archive', 'replica', replicaId, change);
  return new RecordingArchive({ bucket, folder, store, clock, log, metrics, onChange });
}

export function composeRecordings(parts: RecordingsParts, stack: AsyncDisposableStack): Recordings {
  const recorder = stack.use(recorderOf(parts));
  return { recorder, archive: archiveOf(parts, recorder) };
}
