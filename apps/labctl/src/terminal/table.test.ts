import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { paint } from './paint.ts';
import { cutText, fitWidths, renderTable } from './table.ts';

describe('renderTable', () => {
  test('columns line up, absent cells are a dash, no trailing blanks', () => {
    const rows = [
      ['ollama', 3, 'http://127.0.0.1:11434/v1'],
      ['a', undefined, ''],
    ];
    expect(renderTable(['NAME', 'MODELS', 'URL'], rows)).toBe(
      'NAME    MODELS  URL\nollama  3       http://127.0.0.1:11434/v1\na       -\n',
    );
  });

  test('no rows give no table', () => expect(renderTable(['NAME'], [])).toBe(''));

  test('wide characters count twice', () => {
    expect(
      renderTable(
        ['M', 'N'],
        [
          ['模型', 1],
          ['ab', 2],
        ],
      ),
    ).toBe('M     N\n模型  1\nab    2\n');
  });

  test('only the last column is cut, and only on a terminal', () => {
    const rows = [['one', 'a reason that is far too long for this terminal']];
    expect(renderTable(['NAME', 'WHY'], rows, { columns: 20 })).toBe('NAME  WHY\none   a reason that…\n');
    expect(renderTable(['NAME', 'WHY'], rows)).toContain('for this terminal');
  });

  test('a style gets the finished cell', () => {
    const { red } = paint(true);
    const style = (column: string, text: string, padded: string) =>
      column === 'S' && text === 'bad' ? red(padded) : padded;
    expect(renderTable(['S', 'N'], [['bad', 1]], { style })).toBe('S    N\n\u001b[31mbad\u001b[39m  1\n');
  });

  test('no text from outside reaches the terminal as a control', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string(), fc.string({ unit: 'binary' })), { minLength: 1, maxLength: 5 }),
        (rows) => {
          const text = renderTable(['A', 'B'], rows, { columns: 40 });
          expect(text.split('\n')).toHaveLength(rows.length + 2);
          // oxlint-disable-next-line no-control-regex -- they are what must not be there
          expect(text.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('the widest columns give way, short ones stay whole', () => {
    expect(fitWidths([5, 40, 40, 6], 51)).toEqual([5, 20, 20, 6]);
    expect(fitWidths([5, 40, 40, 6], 52)).toEqual([5, 21, 20, 6]);
    expect(fitWidths([5, 6], 80)).toEqual([5, 6]);
    expect(fitWidths([5, 6], Infinity)).toEqual([5, 6]);
  });

  test('widths fill the room and never pass it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 12 }),
        fc.nat(200),
        (natural, room) => {
          const widths = fitWidths(natural, room);
          const total = widths.reduce((sum, one) => sum + one, 0);
          widths.forEach((one, index) => expect(one).toBeLessThanOrEqual(natural[index]!));
          if (room < natural.length) expect(widths.every((one) => one === 1)).toBe(true);
          else
            expect(total).toBe(
              Math.min(
                room,
                natural.reduce((sum, one) => sum + one, 0),
              ),
            );
        },
      ),
    );
  });

  test('what is shown as one character is never cut in two', () => {
    expect(cutText('ab👩‍🔬cd', 4)).toBe('ab…');
    expect(cutText('ab👩‍🔬cd', 5)).toBe('ab👩‍🔬…');
    expect(cutText('模型名', 4)).toBe('模…');
    expect(cutText('e\u0301e\u0301e\u0301', 2)).toBe('e\u0301…');
  });
});
