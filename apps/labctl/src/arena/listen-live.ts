/** One connection to `GET /ws` of a gateway, from its first word to its end. */
import { parseJson } from '@labmesh/kit/parse-json';
import { type LiveNews, liveNewsSchema, type LiveWord, liveWordSchema } from '@labmesh/wire/verification/arena-live';
import { type Api, besideApi } from '../client/api-access.ts';

export type LiveEnd = {
  /** News could come: what it asked for was confirmed. */
  wasHeard: boolean;
  /** What was wrong with what it asked for; undefined when nothing was. */
  refused: string | undefined;
  reason: string;
};

export type LiveListening = {
  api: Api;
  topics: readonly string[];
  /** Aborting it says goodbye. */
  signal: AbortSignal;
  onHeard: () => void;
  onNews: (news: LiveNews) => void;
};

function socketUrl(api: Api): string {
  const host = api.host.includes(':') ? `[${api.host}]` : api.host;
  return `${api.tls ? 'wss' : 'ws'}://${host}:${api.port}${besideApi(api, '/ws')}`;
}

/** Resolves when the connection has ended, whoever ended it; never rejects. */
export function listenLive({ api, topics, signal, onHeard, onNews }: LiveListening): Promise<LiveEnd> {
  return new Promise((resolve) => {
    const headers = api.key === undefined ? {} : { authorization: `Bearer ${api.key}` };
    // Bun's own second argument: headers cannot be given in the standard's.
    const socket = new WebSocket(socketUrl(api), { headers } as unknown as string[]);
    let wasHeard = false;
    let refused: string | undefined;
    const leave = () => socket.close(1000);
    const onWord = (word: LiveWord) => {
      if (word.op === 'subscribed') {
        wasHeard = true;
        return onHeard();
      }
      refused = word.message;
      leave();
    };
    signal.addEventListener('abort', leave, { once: true });
    socket.addEventListener('open', () => socket.send(JSON.stringify({ op: 'subscribe', topics })));
    socket.addEventListener('message', ({ data }) => {
      const said = parseJson(String(data));
      const news = liveNewsSchema.safeParse(said);
      if (news.success) return onNews(news.data);
      const word = liveWordSchema.safeParse(said);
      // What another version says beside these is nothing to us.
      if (word.success) onWord(word.data);
    });
    socket.addEventListener('close', ({ code, reason }) => {
      signal.removeEventListener('abort', leave);
      resolve({ wasHeard, refused, reason: reason === '' ? `code ${code}` : reason });
    });
    if (signal.aborted) leave();
  });
}
