/** Answers tried on cases that nothing has seen: inputs go into the sandbox, what is expected stays here. */
import { executorClient } from '@labmesh/link/calls/executor-client';
import type { Suite } from '@labmesh/wire/verification/suite';

/** Reads {code, entry, inputs} and writes what the function gives for each. Another harness than the verifier's own. */
const program = `
import json, sys
asked = json.load(sys.stdin)
scope = {}
exec(asked["code"], scope)
print(json.dumps([scope[asked["entry"]](*args) for args in asked["inputs"]]))
`;

const fenced = /^```[a-z]*\n([\s\S]*?)\n```/;

/** What failed, as words: empty when every answer gives what is expected. */
export async function runFresh(
  socketPath: string,
  tries: readonly { code: string; suite: Suite }[],
): Promise<string[]> {
  const executor = executorClient({ socketPath });
  const failed: string[] = [];
  for (const { code, suite } of tries) {
    const asked = {
      code: fenced.exec(code)?.[1] ?? code,
      entry: suite.entry,
      inputs: suite.cases.map(({ args }) => args),
    };
    const stdin = Buffer.from(JSON.stringify(asked)).toString('base64');
    const result = await executor.run({ argv: ['/usr/bin/python3', '-I', '-c', program], stdin });
    const given = Buffer.from(result.stdout, 'base64').toString().trim();
    const expected = JSON.stringify(suite.cases.map((one) => one.expect));
    if (given === '' || !Bun.deepEquals(JSON.parse(given), JSON.parse(expected))) {
      failed.push(`${suite.id}: ${code} gave ${result.exit} ${given.slice(0, 200)}`);
    }
  }
  return failed;
}
