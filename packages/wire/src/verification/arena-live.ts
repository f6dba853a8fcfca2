/**
 * What happens in the arena as it happens (verification AR23): `GET /ws` of the gateway, a WebSocket with JSON in text
 * messages. A client says which topics it wants and hears `{topic, seq, ts, data}`. `seq` counts from 1 for each topic of
 * a connection: what is not sent to a client that reads too slowly leaves a gap, and a gap means: ask again. News are hints
 * to look, not the state: what they tell of is read from the API that stands beside them (`livePath`).
 */
import { z } from 'zod';

export const liveLimits = {
  /** Of one message of a client, bytes. */
  messageBytesMost: 8 * 1024,
  /** Topics of one connection. */
  topicsMost: 64,
  /** Of one key, of one tenant with all of its keys, and of a gateway. */
  clientsPerKeyMost: 16,
  clientsPerTenantMost: 64,
  clientsMost: 256,
  /** Bytes that wait for a client which reads slowly; what comes then is left out. */
  waitingBytesMost: 256 * 1024,
  /** Messages of a client in ten seconds; fragments and pings count as such. */
  askedMost: 50,
  /** A client is asked this often whether it lives; one that says nothing for three times as long is gone. */
  pingMs: 20_000,
  /** Of one line of the arena. */
  lineBytesMost: 16 * 1024,
} as const;

/** Close codes beyond RFC 6455's own: 1001 the gateway shuts down, 1013 the arena is away: come back and ask again. */
export const liveCloseCodes = { goingAway: 1001, tryAgain: 1013, revoked: 4403, tooMany: 4429 } as const;

/** `runs`: each run as it begins, goes on and ends; `run:ID`: all that one run tells, without texts. */
export const liveTopics = ['runs', 'certificates', 'leaderboard', 'verifiers', 'stats'] as const;
export const liveTopicField = z
  .string()
  .regex(/^(?:runs|certificates|leaderboard|verifiers|stats|run:[A-Za-z0-9._-]{1,128})$/, 'is no topic');

/** Where the state of a topic is read. */
export function livePath(topic: string): string {
  if (topic.startsWith('run:')) return `/api/arena/trajectories/${topic.slice(4)}`;
  return `/api/arena/${topic === 'runs' ? 'trajectories' : topic}`;
}

/** From a client. */
export const liveAskSchema = z.strictObject({
  op: z.enum(['subscribe', 'unsubscribe']),
  topics: z.array(liveTopicField).min(1).max(liveLimits.topicsMost),
});

/** News of one tenant as the arena writes them to the gateway, one a line: GET /v1/live. An empty line is a sign of life. */
export const liveLineSchema = z.object({
  topic: liveTopicField,
  /** Unix ms. */
  ts: z.number(),
  data: z.record(z.string(), z.unknown()),
});
export type LiveLine = z.infer<typeof liveLineSchema>;

/** To a client: news, what it listens to now, or what was wrong with what it said. */
export const liveNewsSchema = liveLineSchema.extend({ seq: z.int().min(1) });
export type LiveNews = z.infer<typeof liveNewsSchema>;
export const liveWordSchema = z.discriminatedUnion('op', [
  z.object({ op: z.literal('subscribed'), topics: z.array(z.string()) }),
  z.object({ op: z.literal('error'), code: z.enum(['bad_request', 'too_many_topics']), message: z.string() }),
]);
export type LiveWord = z.infer<typeof liveWordSchema>;
