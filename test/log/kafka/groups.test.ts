import { expect, test } from 'vitest'
import { offsetFetch, readResponse } from '../../../src/log/kafka/apis.ts'
import { KAFKA_ERROR } from '../../../src/log/kafka/error-codes.ts'
import { groupError } from '../../../src/log/kafka/group-members.ts'
import { WireWriter } from '../../../src/log/kafka/wire.ts'

test('a partition whose offsets may not be told passed for one where the group has none: a job whose ledger was lost would have begun there anew', () => {
  const answer = new WireWriter().int32(0)
  answer.array(['plant'], topic =>
    answer.string(topic).array([0, 1], partition => {
      const mayBeTold = partition === 0
      answer.int32(partition).int64(mayBeTold ? 5 : -1)
      answer.int32(-1).string('')
      answer.int16(mayBeTold ? KAFKA_ERROR.none : KAFKA_ERROR.topicAuthorizationFailed)
    }),
  )
  const pieces = answer.int16(KAFKA_ERROR.none).done()
  expect(readResponse(offsetFetch, Buffer.concat(pieces)).error).toBe(KAFKA_ERROR.topicAuthorizationFailed)
})

test('of a group that may not be used it was said that its coordinator does not answer', () => {
  expect(groupError('headrace.x', KAFKA_ERROR.groupAuthorizationFailed)).toMatchObject({
    message: 'group headrace.x cannot be used: Kafka error 30',
    advice: expect.stringContaining('headrace acls'),
  })
  expect(groupError('headrace.x', KAFKA_ERROR.notCoordinator).message).toContain('does not answer')
})
