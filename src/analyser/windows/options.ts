import { z } from 'zod'
import { duration } from '../../runtime/units.ts'
import { greatestCommonDivisor } from './paned-windows.ts'

/** Panes that a window and its lateness may need: more is a mistake in the file. */
const PANES_MAX = 10_000
const COUNT_MAX = 1_000_000

const length = () => duration({ min: '100ms', max: '31d' })

/** `window:` of an analyser; `every: 1m` alone is a tumbling window of one minute. */
export const windowOptions = z
  .strictObject({
    tumbling: length().optional().describe('Windows of this length, one after another.'),
    hopping: length().optional().describe('Windows of this length, a new one at each `every`.'),
    sliding: length().optional().describe('At every record, what lies this long before it.'),
    session: length().optional().describe('Records less than this apart; over when so long none came.'),
    count: z.int().min(1).max(COUNT_MAX).optional().describe('So many records each, one after another.'),
  })
  .refine(
    window => Object.values(window).filter(value => value !== undefined).length === 1,
    'needs one of tumbling, hopping, sliding, session and count',
  )
export type WindowOptions = z.output<typeof windowOptions>

export type WindowSpec =
  | { readonly kind: 'paned'; readonly sizeMs: number; readonly hopMs: number }
  | { readonly kind: 'sliding'; readonly sizeMs: number }
  | { readonly kind: 'session'; readonly gapMs: number }
  | { readonly kind: 'count'; readonly size: number }

/** What `window` and `every` mean together; undefined where there is no window, and text where they do not fit. */
export function windowSpec(options: {
  every?: number | undefined
  window?: WindowOptions | undefined
}): WindowSpec | string | undefined {
  const { every, window } = options
  if (!window) return every === undefined ? undefined : { kind: 'paned', sizeMs: every, hopMs: every }
  if (window.hopping !== undefined) {
    if (every === undefined) return 'a hopping window needs `every`: how often a new one begins'
    if (every > window.hopping) return 'a hopping window may not be shorter than `every`: records would fall between'
    const panes = window.hopping / greatestCommonDivisor(window.hopping, every)
    if (panes > PANES_MAX)
      return `window and every have so little in common that ${panes} parts are needed; ${PANES_MAX} are allowed`
    return { kind: 'paned', sizeMs: window.hopping, hopMs: every }
  }
  if (every !== undefined) return '`every` goes with a hopping window, or with none'
  if (window.tumbling !== undefined) return { kind: 'paned', sizeMs: window.tumbling, hopMs: window.tumbling }
  if (window.sliding !== undefined) return { kind: 'sliding', sizeMs: window.sliding }
  if (window.session !== undefined) return { kind: 'session', gapMs: window.session }
  return { kind: 'count', size: window.count ?? 1 }
}
