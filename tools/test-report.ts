/** Reads what one `bun test` run left: counts, why a test failed, which package a skipped one waits for. */

export type Skipped = { file: string; name: string };

export type Totals = { passed: number; failed: number; skipped: Skipped[] };

const entities: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

function attribute(tag: string, name: string): string {
  const value = new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1] ?? '';
  return value.replace(/&(lt|gt|quot|apos|amp);/g, (_, entity: string) => entities[entity] ?? '');
}

/** Counts the test cases of a report; '' (no report was written) counts nothing. */
export function readReport(xml: string): Totals {
  const totals: Totals = { passed: 0, failed: 0, skipped: [] };
  for (const [, head = '', inner = ''] of xml.matchAll(
    /<testcase\b((?:"[^"]*"|[^">])*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g,
  )) {
    if (/<(?:failure|error)\b/.test(inner)) totals.failed++;
    else if (/<skipped\b/.test(inner)) {
      const group = attribute(head, 'classname');
      const name = attribute(head, 'name');
      totals.skipped.push({ file: attribute(head, 'file'), name: group === '' ? name : `${group} > ${name}` });
    } else totals.passed++;
  }
  return totals;
}

/** What brings a missing program or right, by a word of the skipped test's name. */
const remedies: readonly [word: RegExp, remedy: string][] = [
  [/\bnginx\b/i, 'apt-get install nginx-light'],
  [
    /\bnetns\b|network namespace|CAP_NET_ADMIN|\bip(?:route2)?\b/i,
    'apt-get install iproute2, and run as root (CAP_NET_ADMIN)',
  ],
  [/\bcurl\b/i, 'apt-get install curl'],
  [/\bpython\b|\bopenai-python\b/i, 'apt-get install python3'],
  [/\bnode-llama-cpp\b|\bllama\b|\bbuilt-?in engine\b/i, 'npm install --include=optional (node-llama-cpp)'],
  [/\bgpu\b|\bcuda\b|\bnvidia\b/i, 'a machine with an NVIDIA GPU'],
];

/** `needs nginx-light` in a test's name says it outright; otherwise a known word does; otherwise nothing is known. */
export function remedyFor({ name, file }: Skipped): string | undefined {
  const said = /\bneeds:? ([^\])>]+)/i.exec(name)?.[1]?.trim();
  const known =
    remedies.find(([word]) => word.test(said ?? '')) ?? remedies.find(([word]) => word.test(`${name} ${file}`));
  return known?.[1] ?? said;
}

/** One line for each file and remedy, with the number of tests it holds back. */
export function skippedLines(skipped: readonly Skipped[]): string[] {
  const groups = Map.groupBy(
    skipped,
    (one) => `${one.file}: ${remedyFor(one) ?? 'the test does not say what it needs'}`,
  );
  return [...groups].map(([line, list]) => `skipped ${list.length} in ${line}`);
}

/** Lines of an error that are kept: enough for its message, the place and both values. */
const errorLines = 40;

/** Each failed test of a log with what stands above it since the case before: what went wrong. */
export function failures(log: string): string[] {
  const [cases = ''] = log.split(/^\d+ tests? failed:$/m);
  const found: string[] = [];
  let above: string[] = [];
  for (const line of cases.split('\n')) {
    if (/^\((?:pass|skip)\) /.test(line)) above = [];
    else if (line.startsWith('(fail) ')) {
      found.push([...above.slice(-errorLines), line].join('\n').trim());
      above = [];
    } else above.push(line);
  }
  return found;
}
