import { expect, test } from 'vitest'
import { ROWS_ON_A_PAGE, rowsOnPage } from '../../src/console/page/rows-on-page.ts'

test('every row stands on one page, and a page that is gone is the last one', () => {
  for (const count of [0, 1, ROWS_ON_A_PAGE - 1, ROWS_ON_A_PAGE, ROWS_ON_A_PAGE + 1, 1_001]) {
    const pages = Math.max(1, Math.ceil(count / ROWS_ON_A_PAGE))
    const shown = Array.from({ length: pages }, (_, page) => rowsOnPage(page, count)).flatMap(({ from, to }) =>
      Array.from({ length: to - from }, (_row, index) => from + index),
    )
    expect(shown).toEqual(Array.from({ length: count }, (_, index) => index))
    expect(rowsOnPage(pages + 7, count).page).toBe(pages - 1)
    expect(rowsOnPage(-1, count).page).toBe(0)
  }
})
