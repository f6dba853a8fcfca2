/** A run engine as a process of its own, to be killed: `bun engine-main.ts STORE_URL GATEWAY_URL OFFER_JSON JUDGE_MS CERTIFY_MS TOOLS_URL`. */
import { runOfferSchema } from '@labmesh/wire/verification/arena-run';
import { openTools } from '../../generate/testing/open-tools.ts';
import { openRig } from './run-rig.ts';

const [url = '', gateway = '', offer = '', judgeMs = '0', certifyMs = '0', toolsUrl] = process.argv.slice(2);
const tell = (line: unknown) => void process.stdout.write(`${JSON.stringify(line)}\n`);

await using tools = openTools(toolsUrl === undefined ? [] : [{ url: toolsUrl }]);
await using rig = await openRig({
  url,
  gateway: { url: gateway },
  onJudge: async () => {
    await Bun.sleep(Number(judgeMs));
    tell({ judged: true });
  },
  parts: {
    tools,
    certify: async (run) => {
      tell({ certifying: run.chosen });
      await Bun.sleep(Number(certifyMs));
      return { certificateId: `cert-${run.id}`, properties: [], isolation: null };
    },
  },
});
for await (const event of rig.runs.submit(runOfferSchema.parse(JSON.parse(offer)), new AbortController().signal))
  tell(event);
