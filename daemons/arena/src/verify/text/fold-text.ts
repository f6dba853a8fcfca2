/**
 * Text as it reads, for looking for words: compatibility forms, case, invisible characters, accents and runs of space
 * make no difference. Each character is taken apart alone: normalising a whole text reorders its marks, which takes
 * quadratic time on a hostile one.
 */
export function foldText(text: string): string {
  return text
    .replace(/[^\u0000-\u007f]/gu, (char) => char.normalize('NFKD'))
    .replace(/[\p{Default_Ignorable_Code_Point}\p{M}]+/gu, '')
    .toLowerCase()
    .replace(/\s+/g, ' ');
}
