import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { cleanParts } from '../../src/runtime/program-pages.ts'

/** As Linux says it of one part (proc_pid_smaps(5)), without what is not looked at. */
function part(head: string, { anonymous = 0, swap = 0 } = {}): string {
  return `${head}
Size:               1060 kB
Rss:                 984 kB
Pss:                 492 kB
Anonymous:          ${String(anonymous).padStart(8)} kB
Swap:               ${String(swap).padStart(8)} kB
VmFlags: rd ex mr mw me sd
`
}

const PROGRAM = '00400000-00e5e000 r-xp 00000000 fe:00 1049 /opt/headrace/bin/node'
const LIBRARY = '7f21c0a26000-7f21c0b7c000 r--p 00026000 fe:00 2377 /usr/lib/libc.so.6'

test('what was never written of programs and libraries is found, however many digits its address has', () => {
  expect(cleanParts(part(PROGRAM) + part(LIBRARY))).toEqual([
    { from: 0x400000, to: 0xe5e000 },
    { from: 0x7f21c0a26000, to: 0x7f21c0b7c000 },
  ])
})

test.each([
  ['memory of no file', part('7ffd3b5f2000-7ffd3b5f4000 r-xp 00000000 00:00 0 [vdso]')],
  ['what may be written', part('01a5e000-01a7f000 rw-p 0165e000 fe:00 1049 /opt/headrace/bin/node')],
  ['what others write too', part('7f21c0000000-7f21c0008000 r--s 00000000 fe:00 31 /var/lib/headrace/edge/buffer.db-shm')],
  [
    'where the loader wrote addresses',
    part('01a5c000-01a5e000 r--p 0165c000 fe:00 1049 /opt/headrace/bin/node', { anonymous: 4 }),
  ],
  ['what was written and has been swapped out', part(LIBRARY, { swap: 8 })],
])('%s is not let go of: it could not be had again', (_what, smaps) => {
  expect(cleanParts(smaps + part(PROGRAM))).toEqual([{ from: 0x400000, to: 0xe5e000 }])
})

test('a process that lets go of its program is smaller by tens of megabytes, and works on in all its threads', () => {
  const child = fileURLToPath(new URL('pages-child.ts', import.meta.url))
  expect(JSON.parse(execFileSync(process.execPath, [child], { encoding: 'utf8' }))).toEqual({ isSame: true })
})
