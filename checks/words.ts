/** Words that tell of the machine a file was written on. They mean nothing to a reader and leak where it was made. */

// Put together here, so that this file does not hold what it looks for.
const slash = '/';
const home = `${slash}work`;

const [tools, books] = [['fa', 'rm'].join(''), ['lib', 'rary'].join('')];

const patterns: readonly { pattern: RegExp; what: string }[] = [
  { pattern: new RegExp(`(?<![\\w./~-])${home}/[\\w.-]`), what: 'a path of the workplace' },
  { pattern: new RegExp(`(?:^|[\\s/"'\`(])${tools}-[a-z]+\\b`), what: 'a tool of the workplace' },
  { pattern: new RegExp(`\\.${books}/`), what: 'a tool of the workplace' },
];

/** `path:line: what: the line` for each line that tells. */
export function tellingWords(path: string, text: string): string[] {
  if (!patterns.some(({ pattern }) => new RegExp(pattern, 'm').test(text))) return [];
  return text.split('\n').flatMap((line, index) => {
    const hit = patterns.find(({ pattern }) => pattern.test(line));
    return hit === undefined ? [] : [`${path}:${index + 1}: ${hit.what}: ${line.trim().slice(0, 100)}`];
  });
}

/** Addresses in a lock file other than npm's own registry: a mirror's host binds everyone to that mirror. */
export function foreignHosts(lock: string): string[] {
  const urls = [...lock.matchAll(/"resolved":\s*"([a-z+]+:\/\/[^"]+)"/g)].map((match) => match[1] ?? '');
  return [...new Set(urls.filter((url) => !url.startsWith('https://registry.npmjs.org/')))];
}
