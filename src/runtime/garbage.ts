import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Collect = (how: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void

/**
 * Collects all garbage of this thread now, and gives memory back that is left empty: tens of milliseconds during which nothing else is done. Starting a
 * program leaves a third of its heap as garbage; a process that does little afterwards would keep that for days, since V8 collects when memory runs short.
 * What was compiled and is not running goes as well, unless it is to stay: most of it was for the start alone, and what is called again is compiled again.
 */
export function collectGarbage(code: 'code goes' | 'code stays' = 'code goes'): void {
  // The function is in contexts that are made while the flag is set, and only there. It stays set: it is for all threads, and another may be about to make its own.
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as Collect
  if (code === 'code goes') setFlagsFromString('--stress-flush-code')
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  setFlagsFromString('--no-stress-flush-code')
}
