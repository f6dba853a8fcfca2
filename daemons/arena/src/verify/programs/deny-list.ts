/**
 * The original's deny-list (V14): what a reviewer may want to look at. Nothing fails by it; the sandbox is what holds.
 */
import type { Runtime } from './interpreters.ts';

export type LintNote = { rule: string; line: number };

type Rule = { rule: string; runtimes: readonly Runtime[]; pattern: RegExp };
const everywhere: readonly Runtime[] = ['python', 'bun', 'bash'];

// Each looks at one line and takes time linear in it.
const rules: readonly Rule[] = [
  { rule: 'os.system', runtimes: ['python'], pattern: /\bos\.system\b/ },
  { rule: 'subprocess', runtimes: ['python'], pattern: /\bsubprocess\b/ },
  { rule: 'child_process', runtimes: ['bun'], pattern: /\bchild_process\b/ },
  { rule: 'eval', runtimes: everywhere, pattern: /(?<![\w.])eval\b(?:\(| )/ },
  { rule: 'exec', runtimes: ['python'], pattern: /(?<![\w.])exec\(/ },
  { rule: 'file_write', runtimes: ['python'], pattern: /\bopen\([^)]{1,200},\s*['"][rbt]?[wax]/ },
  { rule: 'file_write', runtimes: ['bun'], pattern: /\b(?:writeFile|writeFileSync|createWriteStream|Bun\.write)\b/ },
  { rule: 'rm -rf', runtimes: everywhere, pattern: /\brm -(?:rf|fr)\b/ },
  { rule: 'dd', runtimes: everywhere, pattern: /\bdd (?:if|of)=/ },
  { rule: 'mkfs', runtimes: everywhere, pattern: /\bmkfs\b/ },
];

/** Notes that are kept, and characters of a line that are looked at. */
const [notesMost, lineCharsMost] = [50, 2_000];

/** Lines count from 1 in the joined program. */
export function denyListNotes(runtime: Runtime, code: string): LintNote[] {
  const mine = rules.filter(({ runtimes }) => runtimes.includes(runtime));
  const notes: LintNote[] = [];
  for (const [index, line] of code.split('\n').entries()) {
    const seen = line.slice(0, lineCharsMost);
    for (const { rule, pattern } of mine) {
      if (!pattern.test(seen)) continue;
      if (notes.length === notesMost) return notes;
      notes.push({ rule, line: index + 1 });
    }
  }
  return notes;
}
