import { jsonDepth } from '../parse/json-text.ts';
import { candidateLimits } from '../candidate-fault.ts';

/** Every text and key of a JSON text, unescaped; nothing when it is no JSON or nested too deep. */
export function jsonTexts(json: string): string[] {
  if (jsonDepth(json) > candidateLimits.nesting) return [];
  const found: string[] = [];
  const walk = (value: unknown): void => {
    if (typeof value === 'string') found.push(value);
    else if (Array.isArray(value)) value.forEach(walk);
    else if (typeof value === 'object' && value !== null) {
      for (const [key, member] of Object.entries(value)) {
        found.push(key);
        walk(member);
      }
    }
  };
  try {
    walk(JSON.parse(json));
  } catch {
    return [];
  }
  return found;
}
