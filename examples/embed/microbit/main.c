/* Tests the network on its stored digits, then reads one more, and tells both over USB. */
#include "../digit.h"
#include "board.h"
#include "lenet.h"

int main(void) {
  static lenet_scratch scratch;
  int16_t outputs[LENET_OUTPUTS];
  put_text("outputs that differ from Python's: ");
  put_number(lenet_self_test(&scratch));
  put_text("\nthe digit is a ");
  put_number(lenet_predict(digit, outputs, &scratch));
  put_text("\n");
  return 0;
}
