import { expect, test } from 'vitest'
import { layLetter } from './lay-letter.ts'
import { Up } from './up-process.ts'

test('a dead letter is listed, shown and retried, once', async () => {
  const up = new Up('pipeline: plant\nsources:\n  a: { generator: { count: 1 } }\n')
  try {
    await up.start()
    await up.drained(1)
    await layLetter(up, ['{"n":40}', '{"n":41}'])
    expect(await up.json('dead', 'list')).toMatchObject([{ letter: 'plant-a-1/a@40', count: 2, reason: 'Kafka error 87' }])
    expect((await up.run('dead', 'list')).stdout).toMatch(/^plant-a-1\/a@40 +\S+Z +2 +\d+ +plant\[0\] +Kafka error 87$/m)
    const shown = await up.run('dead', 'show', 'plant-a-1/a@40')
    expect(shown.stdout).toMatch(/^plant-a-1\/a: numbers 40…41 of plant\[0\]/)
    expect(shown.stdout).toMatch(/^ 41 +1970-01-01T00:00:00.000Z +\{"n":41\}$/m)
    expect(await up.run('dead', 'retry', 'plant-a-1/a@40')).toMatchObject({
      code: 0,
      stdout: '2 records appended to plant-a-1/a-retried, plant[1].\n',
    })
    expect((await up.run('dead', 'retry', 'plant-a-1/a@40')).stdout).toBe(
      '0 records appended to plant-a-1/a-retried, plant[1]; 2 lay there already.\n',
    )
    expect(await up.run('dead', 'retry', 'plant-a-1/a@41')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there is no dead letter "plant-a-1/a@41"'),
    })
  } finally {
    await up.end()
  }
})
