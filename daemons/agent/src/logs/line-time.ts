/** Times that log lines begin with, as far as their format is a common one. Unix ms, undefined when none is seen. */
const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
/** Where a time may stand. */
const headChars = 80;
const dayMs = 24 * 3_600_000;

const iso = /(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\s?(Z|[+-]\d\d:?\d\d)?/;
const access = /\[(\d\d)\/([A-Z][a-z]{2})\/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})\]/;
const syslog = /^(?:<\d{1,3}>)?([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d)/;
const epoch = /^\[?(\d{10})(?:\.(\d{1,9}))?\b/;

function offsetMs(zone: string | undefined): number | undefined {
  if (zone === undefined) return undefined;
  if (zone === 'Z') return 0;
  const sign = zone.startsWith('-') ? -1 : 1;
  const digits = zone.replace(/\D/g, '');
  return sign * (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))) * 60_000;
}

/** Without zone the time is this machine's. */
function at(parts: readonly number[], ms: number, zone: string | undefined): number | undefined {
  const [year = 0, month = 0, day = 1, hour = 0, minute = 0, second = 0] = parts;
  const offset = offsetMs(zone);
  const time =
    offset === undefined
      ? new Date(year, month, day, hour, minute, second, ms).getTime()
      : Date.UTC(year, month, day, hour, minute, second, ms) - offset;
  return Number.isNaN(time) ? undefined : time;
}

const fractionMs = (digits: string | undefined) =>
  digits === undefined ? 0 : Math.floor(Number(`0.${digits}`) * 1000);
const monthOf = (name: string | undefined) => months.indexOf((name ?? '').toLowerCase());

/** `now` (Unix ms) gives syslog lines, which have none, their year. */
export function lineTime(line: string, now: number): number | undefined {
  const head = line.slice(0, headChars);
  const one = iso.exec(head);
  if (one !== null) {
    const [, year, month, day, hour, minute, second, fraction, zone] = one;
    const parts = [Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second)];
    return at(parts, fractionMs(fraction), zone);
  }
  const two = access.exec(head) ?? access.exec(line.slice(0, 4 * headChars));
  if (two !== null) {
    const [, day, month, year, hour, minute, second, zone] = two;
    return at([Number(year), monthOf(month), Number(day), Number(hour), Number(minute), Number(second)], 0, zone);
  }
  const three = syslog.exec(head);
  if (three !== null && monthOf(three[1]) >= 0) return withoutYear(three, now);
  const four = epoch.exec(head);
  return four === null ? undefined : Number(four[1]) * 1000 + fractionMs(four[2]);
}

function withoutYear([, month, day, hour, minute, second]: RegExpExecArray, now: number): number | undefined {
  const rest = [monthOf(month), Number(day), Number(hour), Number(minute), Number(second)];
  const year = new Date(now).getFullYear();
  const time = at([year, ...rest], 0, undefined);
  // A line of December read in January is one of last year.
  return time !== undefined && time > now + dayMs ? at([year - 1, ...rest], 0, undefined) : time;
}
