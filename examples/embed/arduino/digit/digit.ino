// Which digit is in digit.h, told over the serial line. Put lenet.c, lenet.h and digit.h into this
// folder: ../../README.md says how they are made.
#include "digit.h"
#include "lenet.h"

static lenet_scratch scratch;

void setup() {
  Serial.begin(115200);
}

void loop() {
  int16_t outputs[LENET_OUTPUTS];
  const unsigned long start = micros();
  const int found = lenet_predict(digit, outputs, &scratch);
  const unsigned long time = micros() - start;
  Serial.print("the digit is a ");
  Serial.print(found);
  Serial.print(", after us: ");
  Serial.println(time);
  delay(1000);
}
