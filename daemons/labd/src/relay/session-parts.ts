import type { BoundedWork } from '../limits/bounded-work.ts';
import type { RateLimiter } from '../limits/rate-limiter.ts';
import type { Recorder } from '../recordings/recorder.ts';
import type { LiveSessionsParts } from './live-sessions.ts';
import type { RoutesParts } from './routes.ts';

/** What a session needs from its first frame to its last row. */
export type SessionServiceParts = LiveSessionsParts & {
  recorder: Recorder;
  limiter: RateLimiter;
  work: BoundedWork;
  routes: RoutesParts;
};
