/* classify PICTURE.pgm ...: which digit each picture shows, 28 x 28 pixels, white ink on black. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lenet.h"

#define SIDE 28

/* The next number of a PGM's header, behind spaces and comments; -1 where there is none. */
static int next_number(FILE *file) {
  int number = -1, c = getc(file);
  while (c == '#' || isspace(c)) {
    while (c == '#')
      for (; c != '\n' && c != EOF; c = getc(file)) {}
    c = getc(file);
  }
  for (; isdigit(c) && number < 65536; c = getc(file))
    number = (number < 0 ? 0 : 10 * number) + (c - '0');
  return number; /* and the one character behind it is read */
}

/* What is wrong with the file, or a null pointer. */
static const char *read_pgm(const char *name, uint8_t image[SIDE * SIDE]) {
  FILE *const file = fopen(name, "rb");
  const char *wrong = NULL;
  char kind[2];
  if (file == NULL) return "it cannot be opened";
  if (fread(kind, 1, 2, file) != 2 || memcmp(kind, "P5", 2) != 0)
    wrong = "it must be a PGM file that begins with P5";
  else if (next_number(file) != SIDE || next_number(file) != SIDE || next_number(file) != 255)
    wrong = "it must have 28 x 28 pixels from 0 to 255";
  else if (fread(image, 1, SIDE * SIDE, file) != SIDE * SIDE)
    wrong = "it ends too early";
  (void)fclose(file);
  return wrong;
}

int main(int count, char **names) {
  static lenet_scratch scratch;
  int16_t outputs[LENET_OUTPUTS];
  uint8_t image[LENET_INPUTS];
  int i, failed = count < 2;
  if (failed) (void)fprintf(stderr, "usage: %s PICTURE.pgm ...\n", names[0]);
  for (i = 1; i < count; i++) {
    const char *const wrong = read_pgm(names[i], image);
    if (wrong != NULL)
      (void)fprintf(stderr, "%s: %s\n", names[i], wrong);
    else
      (void)printf("%s: %d\n", names[i], lenet_predict(image, outputs, &scratch));
    failed |= wrong != NULL;
  }
  return failed;
}
