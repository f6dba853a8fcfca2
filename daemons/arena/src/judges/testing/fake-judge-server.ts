/**
 * An OpenAI server that plays a judge, for tests: it reads the material out of the frame as a perfect reader would, and
 * answers what `decide` says, as a stream or whole.
 */
export type Shown = {
  system: string;
  task: string;
  a: string;
  b: string;
  nonce: string;
  body: Record<string, unknown>;
};
/** Text of the answer, or a status to fail with. */
export type Decision = string | number;

export const verdictOf = (scoreA: number, scoreB: number): string =>
  JSON.stringify({
    combined_scores: { Agent_A: scoreA, Agent_B: scoreB },
    winner: scoreA === scoreB ? 'Tie' : scoreA > scoreB ? 'Agent_A' : 'Agent_B',
    rationale: 'as it is',
  });

/** What stands in `tag`, up to the one end that carries the nonce. */
function between(text: string, tag: string, nonce: string): string {
  const from = text.indexOf('>\n', text.indexOf(`<${tag}-${nonce}`)) + 2;
  return text.slice(from, text.indexOf(`\n</${tag}-${nonce}>`, from));
}

export function readShown(body: Record<string, unknown>): Shown {
  const [system = '', user = ''] = (body.messages as { content: string }[]).map(({ content }) => content);
  const nonce = /^<task-([0-9a-f]{32})/.exec(user)?.[1] ?? '';
  const [task = '', a = '', b = ''] = ['task', 'Agent_A', 'Agent_B'].map((tag) => between(user, tag, nonce));
  return { system, task, a, b, nonce, body };
}

const usage = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 };
const head = { id: 'chatcmpl-1', created: 1, model: 'judge-1' };

function whole(content: string): Response {
  const choices = [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }];
  return Response.json({ ...head, object: 'chat.completion', choices, usage });
}

function streamed(content: string): Response {
  const chunk = (choices: unknown[], more = {}) =>
    `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices, ...more })}\n\n`;
  const events = [
    chunk([{ index: 0, delta: { role: 'assistant', content }, finish_reason: null }]),
    chunk([{ index: 0, delta: {}, finish_reason: 'stop' }]),
    chunk([], { usage }),
    'data: [DONE]\n\n',
  ];
  return new Response(events.join(''), { headers: { 'content-type': 'text/event-stream' } });
}

export type FakeJudgeServer = Disposable & { url: string; seen: Shown[]; headers: Headers[] };

/** On a free port of loopback. */
export function fakeJudgeServer(decide: (shown: Shown, call: number) => Decision): FakeJudgeServer {
  const seen: Shown[] = [];
  const headers: Headers[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (request) => {
      const body = (await request.json()) as Record<string, unknown>;
      const shown = readShown(body);
      headers.push(request.headers);
      const decision = decide(shown, seen.push(shown));
      if (typeof decision === 'number') {
        return Response.json(
          { error: { message: 'no', code: decision === 429 ? 'budget_exceeded' : 'x' } },
          { status: decision },
        );
      }
      return body.stream === true ? streamed(decision) : whole(decision);
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, seen, headers, [Symbol.dispose]: () => void server.stop(true) };
}
