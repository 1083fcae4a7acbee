/** Takes memory for records, lets go of most of it, and says what is resident before and after; argument: whether it is given back in between. */
import { giveEmptyMemoryBack } from '../../src/runtime/empty-memory.ts'
import { collectGarbage } from '../../src/runtime/garbage.ts'

const BUFFERS = 3_000
const BYTES = 20_000
/** One in so many is kept, so that what is free lies between what is not. */
const KEPT_OF = 50
const FREED_AFTER_MS = 500

let all = Array.from({ length: BUFFERS }, () => Buffer.alloc(BYTES, 1))
const full = process.memoryUsage.rss()
all = all.filter((_, at) => at % KEPT_OF === 0)
collectGarbage('code stays')
await new Promise(resolve => setTimeout(resolve, FREED_AFTER_MS))
if (process.argv[2] === 'given back') await giveEmptyMemoryBack()
const after = process.memoryUsage.rss()
process.stdout.write(JSON.stringify({ full, after, kept: all.length }))
