import type { BoundedWork } from '../limits/bounded-work.ts';
import type { RateLimiter } from '../limits/rate-limiter.ts';
import type { RevokedLogins } from '../login/revoked-logins.ts';
import type { Recorder } from '../recordings/recorder.ts';
import type { LiveSession, LiveSessionsParts } from './live-session.ts';
import type { RoutesParts } from './routes.ts';

/** What a session needs from its first frame to its last row. */
export type SessionServiceParts = LiveSessionsParts & {
  recorder: Recorder;
  limiter: RateLimiter;
  work: BoundedWork;
  routes: RoutesParts;
  /** Logins that were ended lately: who was judged before may come in after those that stood were cut (RB-11). */
  revoked: Pick<RevokedLogins, 'has'>;
};

/** An OPEN, the server that it means, and for an attach the OPEN of the command. */
export type Aim = Pick<LiveSession, 'open' | 'attached'> & { server: LiveSession['server'] | undefined };
/** One whose server is there, and who asks. */
export type Aimed = Pick<LiveSession, 'open' | 'attached' | 'server' | 'caller'>;
